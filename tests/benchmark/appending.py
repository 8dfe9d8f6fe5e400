# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Appends to a ledger, ours and that of proximo-proxmox, in turns: a program of its own, in a Python that has both.

Both get the same records, intents and outcomes of a machine's update, and both sync each of them to the disk. Theirs is
opened once, which is less than its engine does: that opens it anew for each record.
"""

import itertools
import json
import multiprocessing
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol
from unittest.mock import patch

from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.files import FileStore

from tests.benchmark.vm_update import INTENT, OUTCOME

#: a measurement ends with the first of these
APPENDS, SECONDS = 400, 5.0


class Writer(Protocol):
    """A ledger, and how it is filled up fast to where it is measured."""

    def append(self, number: int, /) -> object: ...

    def fill(self, count: int, /) -> None: ...


class Ours:
    """Every process appends to the chain of the same run, as the forks of a play do."""

    def __init__(self, folder: Path) -> None:
        self._chain, _opened = FileStore(folder).begin({"playbook": "site.yml"})

    def append(self, number: int, durable: bool = True) -> None:
        kind, fields = ("outcome", OUTCOME) if number % 2 else ("intent", INTENT)
        self._chain.append(kind, {"op_id": f"{number // 2:016x}", **fields}, durable=durable)

    def fill(self, count: int) -> None:
        for number in range(count):
            self.append(number, durable=False)


class Theirs:
    """Filled by its own code, which then neither reads the whole file for each record nor syncs it."""

    def __init__(self, folder: Path) -> None:
        from proximo.core.ledger import LedgerConfig, open_ledger

        self._ledger = open_ledger(LedgerConfig(str(folder / "audit.jsonl")))

    def append(self, number: int) -> dict[str, Any]:
        outcome, detail = ("ok", OUTCOME) if number % 2 else ("executing", INTENT)
        detail = {"op_id": f"{number // 2:016x}", **detail}
        entry: dict[str, Any] = self._ledger.record(
            "update", target="qemu/101", mutation=True, outcome=outcome, detail=detail
        )
        return entry

    def fill(self, count: int) -> None:
        entry = self.append(0)
        last = staticmethod(lambda _stream: (entry["entry_hash"], entry["alg"]))
        with patch("os.fsync"), patch.object(type(self._ledger), "_last_entry", last):
            for number in range(1, count):
                entry = self.append(number)


SIDES: dict[str, Callable[[Path], Writer]] = {"ours": Ours, "theirs": Theirs}


def rate(writer: Writer, processes: int) -> dict[str, float]:
    """Appends per second of so many processes at once, and the CPU milliseconds of one append."""
    context = multiprocessing.get_context("fork")
    start, done = context.Barrier(processes + 1), context.SimpleQueue()
    workers = [
        context.Process(target=_work, args=(writer.append, APPENDS // processes, start, done))
        for _worker in range(processes)
    ]
    for worker in workers:
        worker.start()
    start.wait()
    began = time.monotonic()
    for worker in workers:
        worker.join()
    seconds = time.monotonic() - began
    if any(worker.exitcode for worker in workers):
        raise RuntimeError("a process could not append")
    appends, cpu = (sum(column) for column in zip(*(done.get() for _worker in workers), strict=True))
    return {"per_second": appends / seconds, "cpu_ms": cpu / appends * 1000}


def _work(append: Callable[[int], Any], count: int, start: Any, done: Any) -> None:
    start.wait()
    before, deadline, made = resource.getrusage(resource.RUSAGE_SELF), time.monotonic() + SECONDS, 0
    while made < count and (not made or time.monotonic() < deadline):
        append(made)
        made += 1
    after = resource.getrusage(resource.RUSAGE_SELF)
    done.put((made, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime))


def main() -> None:
    given = json.loads(sys.argv[1])
    if "fill" in given:
        Theirs(Path(given["folder"]) / "filled").fill(given["fill"])
        return
    for level, processes, side in itertools.product(given["levels"], given["processes"], given["sides"]):
        with tempfile.TemporaryDirectory(dir=given["folder"]) as folder:
            writer = SIDES[side](Path(folder))
            if level:
                writer.fill(level)
            os.sync()
            found = {"side": side, "level": level, "processes": processes, **rate(writer, processes)}
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
