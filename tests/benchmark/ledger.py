# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the ledger costs, beside that of PyPI's proximo-proxmox, in the same run: the second part of `make bench`.

What is promised is checked: appends do not get slower while a ledger grows, and verifying streams.
"""

import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger import frames
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.files import FileStore
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.run import RunLedger

from tests.benchmark.vm_update import INTENT, OUTCOME

PROXIMO = "proximo-proxmox==0.49.1"
ROOT = Path(__file__).parents[2]
ROUNDS = 3
LEVELS, PROCESSES = (0, 5_000, 50_000), (1, 4)
VERIFIED = 1_000_000
VERIFIED_OF_THEIRS = 50_000  # it takes the whole file into memory

# what has to hold
FASTER_AT, FASTER = 5_000, 10
FLAT = 1.5  # CPU time of an append to the largest ledger, that to an empty one is 1
VERIFIED_PER_SECOND, OF_SHA256, PEAK = 100_000, 3, 50 << 20

Figures = dict[str, float]
#: (records there, processes, side) -> figures
Appends = dict[tuple[int, int, str], Figures]


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        appends = bench.appends()
        print("\n".join(_appends_table(appends)), end="\n\n", flush=True)
        verified = bench.verified()
        print("\n".join(_verified_table(verified)))
    broken = [*_slow_appends(appends), *_slow_verifying(verified)]
    print(*(f"NOT AS PROMISED: {what}" for what in broken), sep="\n")
    return int(bool(broken))


class Bench:
    """Starts what is measured. Both ledgers run in the same Python, which is new enough for proximo-proxmox."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        collections, theirs = folder / "collections", folder / "theirs"
        (collections / "ansible_collections" / "steward").mkdir(parents=True)
        (collections / "ansible_collections" / "steward" / "proxmox").symlink_to(ROOT)
        self._environment = {**os.environ, "PYTHONPATH": f"{collections}:{theirs}"}
        self._python, self._sides = sys.executable, ["ours"]
        if newer := _newer_python():
            target = ["install", "--quiet", "--no-deps", "--target", str(theirs), PROXIMO]
            pip = [sys.executable, "-m", "pip", "--python", newer, *target]
            if subprocess.run(pip, stderr=subprocess.DEVNULL, check=False).returncode == 0:
                self._python, self._sides = newer, ["ours", "theirs"]
        if "theirs" not in self._sides:
            print(f"{PROXIMO} is left out: it needs Python 3.12 or newer, and pip that finds it\n")

    def appends(self) -> Appends:
        """The medians over some rounds; in each of them the two take turns, so that both meet the same machine."""
        found: dict[tuple[int, int, str], list[Figures]] = defaultdict(list)
        given = {"folder": str(self._folder), "sides": self._sides, "levels": LEVELS, "processes": PROCESSES}
        for _round in range(ROUNDS):
            for row in self._rows(self._python, "appending", json.dumps(given)):
                found[row["level"], row["processes"], row["side"]].append(row)
        return {key: _medians(rows, "per_second", "cpu_ms") for key, rows in found.items()}

    def verified(self) -> dict[str, Figures]:
        """What was read -> figures."""
        ledger = self._folder / "ledger"
        _fill(ledger)
        read: dict[str, list[Figures]] = defaultdict(list)
        for _round in range(ROUNDS):
            for reader in ("lines", "ours"):
                read[reader] += self._rows(sys.executable, "reading", reader, str(ledger))
        if "theirs" in self._sides:
            given = {"folder": str(self._folder), "fill": VERIFIED_OF_THEIRS}
            list(self._rows(self._python, "appending", json.dumps(given)))
            read["theirs"] += self._rows(self._python, "reading", "theirs", str(self._folder / "filled"))
        return {reader: _medians(rows, "records", "per_second", "peak") for reader, rows in read.items()}

    def _rows(self, python: str, program: str, *arguments: str) -> Iterator[dict[str, Any]]:
        command = [python, "-m", f"tests.benchmark.{program}", *arguments]
        done = subprocess.run(command, cwd=ROOT, env=self._environment, stdout=subprocess.PIPE, text=True, check=True)
        yield from map(json.loads, done.stdout.splitlines())


def _newer_python() -> str:
    found = subprocess.run(
        [ROOT / ".ci" / "find-python", "python3.13", "python3.12"], capture_output=True, text=True, check=False
    )
    return found.stdout.strip()


def _fill(folder: Path) -> None:
    """A run of a million records, as a play writes them, but all at once: through the store it would take minutes."""
    ledger = RunLedger.begin(FileStore(folder), playbook="site.yml")
    path = Path(ledger.where)
    head, opening = path.read_bytes().rstrip(b"\n").split(b" ", 1)
    names = json.loads(opening)
    # what differs from record to record is put in between these parts
    seq, op_id = 999_999_999, "0123456789abcdef"
    shapes = []
    for kind, fields in (("intent", INTENT), ("outcome", OUTCOME)):
        place = frames.place(names["ledger_id"], names["run_id"], seq, kind)
        shapes.append(re.split(rf"{seq}|{op_id}".encode(), frames.body(place, {"op_id": op_id, **fields})))
    previous = bytes.fromhex(head.decode())
    with path.open("ab") as stream:
        for number in range(VERIFIED):
            before, between, after = shapes[number % 2]
            body = b"%b%d%b%016x%b" % (before, number + 2, between, number // 2, after)
            previous = frames.chain(previous, body)
            stream.write(frames.line(previous.hex(), body))
    ledger.close()


def _medians(rows: list[dict[str, Any]], *figures: str) -> Figures:
    return {figure: statistics.median(row[figure] for row in rows) for figure in figures}


def _appends_table(appends: Appends) -> Iterator[str]:
    yield f"{'appends per second (CPU ms each)':36}{'steward.proxmox':>20}{PROXIMO:>28}{'ratio':>8}"
    for level in LEVELS:
        for processes in PROCESSES:
            row = f"{level:>7,} records, {processes} process(es)"
            ours, theirs = (appends.get((level, processes, side)) for side in ("ours", "theirs"))
            cells = [f"{one['per_second']:,.0f} ({one['cpu_ms']:.2f})" if one else "-" for one in (ours, theirs)]
            ratio = f"{ours['per_second'] / theirs['per_second']:.0f}" if ours and theirs else "-"
            yield f"{row:36}{cells[0]:>20}{cells[1]:>28}{ratio:>8}"


_READ = {"lines": "SHA-256 of each line, in Python", "ours": "steward.proxmox", "theirs": PROXIMO}


def _verified_table(verified: dict[str, Figures]) -> Iterator[str]:
    yield f"{'verifying':36}{'records':>12}{'per CPU s':>12}{'peak MB':>9}"
    for reader, one in verified.items():
        yield f"{_READ[reader]:36}{one['records']:>12,.0f}{one['per_second']:>12,.0f}{one['peak'] / 1e6:>9.0f}"


def _slow_appends(appends: Appends) -> Iterator[str]:
    for processes in PROCESSES:
        ours, theirs = (appends.get((FASTER_AT, processes, side)) for side in ("ours", "theirs"))
        if ours and theirs and ours["per_second"] < FASTER * theirs["per_second"]:
            yield f"{FASTER} times the appends of {PROXIMO} with {FASTER_AT:,} records and {processes} process(es)"
    empty, full = (appends[level, 1, "ours"]["cpu_ms"] for level in (LEVELS[0], LEVELS[-1]))
    if full > FLAT * empty:
        yield f"an append to {LEVELS[-1]:,} records takes at most {FLAT} times that to none: {full / empty:.1f}"


def _slow_verifying(verified: dict[str, Figures]) -> Iterator[str]:
    ours, lines = verified["ours"], verified["lines"]
    if ours["per_second"] < VERIFIED_PER_SECOND:
        yield f"{VERIFIED_PER_SECOND:,} verified records per second"
    if ours["per_second"] * OF_SHA256 < lines["per_second"]:
        yield f"verifying takes at most {OF_SHA256} times as long as SHA-256 over the lines"
    if ours["peak"] > PEAK:
        yield f"verifying takes at most {PEAK >> 20} MiB of memory"


if __name__ == "__main__":
    sys.exit(main())
