# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What somebody with write access to a ledger may try, on a copy of it."""

import json
import shutil
from pathlib import Path

from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger import frames, merkle


def copy(ledger: Path, target: Path) -> Path:
    shutil.copytree(ledger, target)
    return target


def edit(ledger: Path, run_file: str, old: bytes, new: bytes) -> int:
    """Replace the first `old` in the file of that run, and leave the hashes. Returns the number of the record."""
    file = ledger / "runs" / run_file
    before, found, after = file.read_bytes().partition(old)
    if not found:
        raise LookupError(f"{old!r} is not in {file}")
    file.write_bytes(before + new + after)
    return before.count(b"\n") + 1


def recompute(ledger: Path, run_file: str) -> None:
    """Compute every hash of that run anew, and the head that its last record repeats."""
    file = ledger / "runs" / run_file
    run_id = file.stem.rpartition("-")[2]
    head = frames.genesis(run_id, (ledger / "ledger_id").read_text().strip())
    *records, last = [line[frames.HASH_LENGTH + 1 :] for line in file.read_bytes().splitlines()]
    lines = []
    for body in records:
        head = frames.chain(head, body)
        lines.append(frames.line(head.hex(), body))
    old_head = file.read_bytes().splitlines()[-2][: frames.HASH_LENGTH]
    last = last.replace(old_head, head.hex().encode())
    lines.append(frames.line(frames.chain(head, last).hex(), last))
    file.write_bytes(b"".join(lines))


def enter_anew(ledger: Path) -> None:
    """Compute the log anew, for runs whose hashes are others now, and throw away the checkpoints that tell of it."""
    log, lines, tree = ledger / "log.jsonl", [], merkle.NO_LEAVES
    head = frames.genesis(frames.LOG, (ledger / "ledger_id").read_text().strip())
    for line in log.read_bytes().splitlines():
        entry = json.loads(line[frames.HASH_LENGTH + 1 :])
        (run,) = (ledger / "runs").glob(f"*-{entry['run']}.jsonl")
        entry["head"] = run.read_text().splitlines()[entry["at"] - 1][: frames.HASH_LENGTH]
        entry["peaks"] = tree.base64()
        body = json.dumps(entry, separators=(",", ":")).encode()
        head, tree = frames.chain(head, body), tree.add(merkle.leaf_hash(body))
        lines.append(frames.line(head.hex(), body))
    log.write_bytes(b"".join(lines))
    (ledger / "checkpoints").unlink()
