# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads a ledger once, in a process of its own, so that its memory can be told: `python -m tests.benchmark.reading`."""

import hashlib
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger import verify


def lines(path: Path) -> int:
    """SHA-256 over each of the lines that a verifier reads, and nothing else."""
    read = 0
    for file in sorted(path.rglob("*.jsonl")):
        with file.open("rb") as stream:
            for line in stream:
                hashlib.sha256(line).digest()
                read += 1
    return read


def ours(path: Path) -> int:
    report = verify.verify(verify.Directory(path))
    if report.verdict != "intact":
        raise RuntimeError(f"{path} is {report.verdict}: {'; '.join(verify.describe(report))}")
    return report.records


def theirs(path: Path) -> int:
    from proximo.core.ledger import LedgerConfig, open_ledger

    found = open_ledger(LedgerConfig(str(path / "audit.jsonl"))).verify()
    if not found.ok:
        raise RuntimeError(f"{path}: {found.reason}")
    return int(found.entries)


READERS: dict[str, Callable[[Path], int]] = {"lines": lines, "ours": ours, "theirs": theirs}


def main() -> None:
    began = time.process_time()
    records = READERS[sys.argv[1]](Path(sys.argv[2]))
    seconds = time.process_time() - began
    # not getrusage: that counts what the process was forked from
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    peak = int(status["VmHWM"].split()[0]) * 1024
    print(json.dumps({"records": records, "per_second": records / seconds, "peak": peak}))


if __name__ == "__main__":
    main()
