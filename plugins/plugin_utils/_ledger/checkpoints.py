# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the world outside gets to know of a ledger: its tree head after each entry of the log, signed and sent away."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger import log, merkle
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.note import Checkpoint, Signer, origin_of
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.sinks import FileSink, Sink, SinkError
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.store import LedgerError, Store


class Checkpoints:
    """Enters what happens into the log of a ledger, and publishes the tree head after it."""

    def __init__(
        self, store: Store, signers: Sequence[Signer] = (), sinks: Iterable[Sink] = (), required: bool = False
    ) -> None:
        """``required``: a sink that does not take a checkpoint is a failure to record."""
        self._store, self._signers, self._sinks, self._required = store, signers, list(sinks), required

    def enter(self, type_: str, **fields: Any) -> tuple[str, list[str]]:
        """The checkpoint after the entry, kept in the ledger; and which sinks did not take it.

        Raises LedgerError.
        """
        return self.publish(log.enter(self._store, type_, **fields))

    def publish(self, head: log.TreeHead) -> tuple[str, list[str]]:
        """The same for a tree head that is there already."""
        note = Checkpoint(origin_of(self._store.ledger_id), head.size, head.root).text(self._signers)
        self._store.keep(note)
        return note, list(self._send(note))

    def _send(self, note: str) -> Iterable[str]:
        for sink in self._sinks:
            try:
                sink.send(note)
            except SinkError as error:
                missed = f"the checkpoint did not reach {sink.name}: {error}"
                if self._required:
                    raise LedgerError(missed) from error
                yield missed

    def check_pins(self) -> None:
        """The ledger must still hold what a file elsewhere has seen of it. Raises LedgerError where it does not."""
        pins = {sink.name: pin for sink in self._sinks if (pin := _pinned(sink))}
        if not pins:
            return
        origin = origin_of(self._store.ledger_id)
        roots = merkle.roots([pin.size for pin in pins.values()], log.leaves(self._store.source()))
        for name, pin in pins.items():
            if pin.origin != origin:
                raise LedgerError(f"{name} belongs to another ledger: {pin.origin}, and this one is {origin}")
            if pin.size not in roots:
                why = f"it has fewer than the {pin.size} entries that {name} has seen: it was cut off, or rolled back"
            elif roots[pin.size] != pin.root:
                why = f"its first {pin.size} entries are not those that {name} has seen"
            else:
                continue
            raise LedgerError(f"the ledger {self._store.name} is not what it was: {why}. Verify it before going on")


def _pinned(sink: Sink) -> Checkpoint | None:
    try:
        last = sink.last() if isinstance(sink, FileSink) else None
    except SinkError as error:
        raise LedgerError(f"what a sink has seen of the ledger cannot be compared: {error}") from error
    return Checkpoint.parse(last)[0] if last else None
