# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every store of a ledger is: a place for chains of frames, one per run and one for the log."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger import frames

if TYPE_CHECKING:
    from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.verify import Source

#: fields of a frame that follow from the JSON bytes of the frame before it (None: it is the first)
Derive = Callable[[bytes | None], Mapping[str, Any]]


class LedgerError(Exception):
    """The ledger cannot be written. The message says where and why."""


class Appended(NamedTuple):
    """A frame in its chain: its number, its hash in hex, its JSON bytes."""

    seq: int
    head: str
    body: bytes

    @property
    def line(self) -> bytes:
        return frames.line(self.head, self.body)


class Chain(Protocol):
    """The frames of one run, or of the log. Any process may append at any time; each of them opens it anew."""

    run_id: str  # "log" for the log
    where: str  # for messages: the file, or postgresql://host/db run <id>

    def append(self, type_: str, fields: Mapping[str, Any], *, durable: bool = True) -> Appended:
        """Add one frame. What fails adds nothing. Raises LedgerError."""


class Store(Protocol):
    """A ledger to write to. Every method raises LedgerError."""

    name: str  # what people are shown: the directory, or postgresql://host:port/database, never a password
    ledger_id: str

    def begin(self, opening: Mapping[str, Any]) -> tuple[Chain, Appended]:
        """A new run, and its ``run_open``, which is durable."""

    def log(self, derive: Derive) -> Chain:
        """The log. ``derive`` adds to each of its frames, to the notes and links that a store writes, too."""

    def keep(self, checkpoint: str) -> None:
        """Keep a checkpoint's note."""

    def adopt(self, run_id: str, began: str, lines: Iterable[bytes]) -> None:
        """Bring in a run of another ledger as it is: all of it or nothing; nothing where it is here already."""

    def remove(self, run_id: str) -> None:
        """Forget the records of a run."""

    def source(self) -> Source:
        """The ledger to read from."""


def following(
    last: Appended | None,
    ledger_id: str,
    run_id: str,
    type_: str,
    fields: Mapping[str, Any],
    derive: Derive | None = None,
) -> Appended:
    """The frame that comes after ``last`` in a chain (None: it is the first)."""
    derived = derive(last.body if last else None) if derive else {}
    seq = last.seq + 1 if last else 1
    body = frames.body(frames.place(ledger_id, run_id, seq, type_), {**fields, **derived})
    previous = bytes.fromhex(last.head) if last else frames.genesis(run_id, ledger_id)
    return Appended(seq, frames.chain(previous, body).hex(), body)
