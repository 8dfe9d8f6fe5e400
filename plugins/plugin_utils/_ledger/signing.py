# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done where the signing key is: it becomes known to the ledger, signs the log, hands over to its successor."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from ansible_collections.steward.proxmox.plugins.module_utils._errors import BadInput
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger import keys, location, log, merkle
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.checkpoints import Checkpoints
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.note import (
    Checkpoint,
    Signer,
    find,
    is_name,
    origin_of,
    succession,
)
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.sinks import FileSink, Sink, SinkError, sinks_of
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.store import LedgerError, Store


@dataclass
class Done:
    """What became of it. In check mode: what would."""

    changed: bool
    vkey: str | None = None
    checkpoint: str = ""
    missed: list[str] = field(default_factory=list)  # why sinks did not take it

    def result(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if value or name in ("changed", "missed")}


def given(options: Mapping[str, Any]) -> tuple[Path, list[Sink]]:
    """The key and the sinks that a task names, or else those that the callback is configured with."""
    configured = location.configured()
    key = options["key"] or configured.get("key")
    if not key:
        raise BadInput("key: no signing key is named", "name its file, or set key in [steward_ledger] of ansible.cfg")
    return Path(key), sinks_of(configured.get("sinks") or [] if options["sinks"] is None else options["sinks"])


def present(store: Store, path: Path, name: str | None, sinks: Sequence[Sink], check_mode: bool) -> Done:
    """There is a key in this file, and the log names it."""
    if Path(os.path.realpath(path)).is_relative_to(store.name):
        raise BadInput(f"key: {path} is inside of the ledger {store.name}", "readers of the ledger must not have it")
    if name and not is_name(name):
        raise BadInput(f"name: {name!r} is no name of a key", "use one without spaces and without a plus")
    missing = not os.path.lexists(path)
    if missing and check_mode:
        return Done(changed=True)
    signer = keys.make(path, name or origin_of(store.ledger_id)) if missing else keys.load(path)
    if name and signer.name != name:
        raise BadInput(f"name: the key in {path} is {signer.name}, not {name}", "leave name out, or name another file")
    if signer.vkey in keys.entered(store.source()):
        return Done(changed=False, vkey=signer.vkey)
    if check_mode:
        return Done(changed=True, vkey=signer.vkey)
    made = Checkpoints(store, [signer], sinks).enter("key", vkey=signer.vkey, replaces=None, endorsement=None)
    return Done(True, signer.vkey, *made)


def rotate(store: Store, path: Path, sinks: Sequence[Sink], check_mode: bool) -> Done:
    """Another key takes the place of the one in this file, which endorses it. What was interrupted is gone on with."""
    old, new = keys.load(path), keys.interrupted(path)
    _check_in_force(store, old, path, allowed=new.vkey if new else None)
    if check_mode:
        return Done(changed=True, vkey=old.vkey)
    new = new or keys.make_successor(path, old.name)
    both = Checkpoints(store, [old, new], sinks)
    if new.vkey in keys.entered(store.source()):
        made = both.publish(_head(store))
    else:
        endorsement = old.sign(succession(origin_of(store.ledger_id), new.vkey)).base64
        made = both.enter("key", vkey=new.vkey, replaces=old.vkey, endorsement=endorsement)
    keys.succeed(path)
    return Done(True, new.vkey, *made)


def checkpoint(store: Store, path: Path, pin: FileSink, sinks: Sequence[Sink], check_mode: bool) -> Done:
    """Sign the log, if it still begins with what this key has signed before, which the pin remembers."""
    signer = keys.load(path)
    _check_in_force(store, signer, path, allowed=None)
    last, head = _grown(store, pin)
    signed = Checkpoint(origin_of(store.ledger_id), head.size, head.root).text([signer])
    changed = signed != last or not any(signed in find(kept) for kept in store.source().checkpoints())
    if check_mode or not changed:
        return Done(changed, signer.vkey, signed if signed == last else "")
    # the pin first: what is published without it could be followed by another history
    _remember(pin, signed)
    return Done(True, signer.vkey, *Checkpoints(store, [signer], sinks).publish(head))


def _grown(store: Store, pin: FileSink) -> tuple[str | None, log.TreeHead]:
    """What the pin holds, and the log as it is now, read once. Raises LedgerError where that did not grow out of it."""
    try:
        last = pin.last()
    except SinkError as error:
        raise LedgerError(f"pin: {error}") from error
    origin = origin_of(store.ledger_id)
    seen = Checkpoint.parse(last)[0] if last else Checkpoint(origin, 0, merkle.EMPTY)
    leaves = log.leaves(store.source())
    before = merkle.peaks_of(islice(leaves, seen.size))
    if seen.origin != origin:
        why = f"{pin.path} belongs to another ledger: {seen.origin}, and this one is {origin}"
    elif before.size < seen.size:
        why = f"its log has {before.size} entries, and this key has signed {seen.size}: it was cut off, or rolled back"
    elif before.root() != seen.root:
        why = f"the first {seen.size} entries of its log are not those that this key has signed"
    else:
        now = merkle.peaks_of(leaves, before)
        return last, log.TreeHead(now.size, now.root())
    raise LedgerError(f"the ledger {store.name} is not signed: {why}. Verify it before going on")


def _head(store: Store) -> log.TreeHead:
    peaks = merkle.peaks_of(log.leaves(store.source()))
    return log.TreeHead(peaks.size, peaks.root())


def _check_in_force(store: Store, signer: Signer, path: Path, allowed: str | None) -> None:
    """A key that endorsed a successor signs nothing more, whatever copies of it are left."""
    entry = keys.entered(store.source()).get(signer.vkey)
    if entry and entry.successor not in (None, allowed):
        raise LedgerError(f"key: the key in {path} was replaced at {entry.until}, by {entry.successor}; use that one")


def _remember(pin: FileSink, signed: str) -> None:
    try:
        pin.send(signed)
    except SinkError as error:
        raise LedgerError(f"pin: {pin.path} cannot be written: {error}; nothing was signed") from error
