# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The log of a ledger: what happened to its runs, as the leaves of one Merkle tree.

Every frame of the log carries the peaks of the tree over the frames before it, so that an entry costs one line,
however long the log is.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger import frames, merkle
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.store import LedgerError, Store

if TYPE_CHECKING:
    from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.verify import Source


class TreeHead(NamedTuple):
    """The state of the log: how many frames it has, and the root of the tree over them."""

    size: int
    root: bytes


def enter(store: Store, type_: str, **fields: Any) -> TreeHead:
    """Append to the log, durably. The tree head after the entry. Raises LedgerError."""
    tree = _grown(store.log(_peaks).append(type_, fields).body)
    return TreeHead(tree.size, tree.root())


def leaves(source: Source) -> Iterator[bytes]:
    """The hashes of the log's leaves, as they are stored. What a killed process left of a frame is none."""
    for line in source.lines(frames.LOG):
        if line.endswith(b"\n"):
            yield merkle.leaf_hash(frames.body_of(line))


def entries(source: Source, *types: str) -> Iterator[dict[str, Any]]:
    """The entries of these types. Whether they are true is for the verifier to tell. Raises ValueError for no JSON."""
    for line in source.lines(frames.LOG):
        body = frames.body_of(line)
        place = frames.PREFIX.match(body)
        if place and place["type"].decode() in types and line.endswith(b"\n"):
            yield json.loads(body)


def _peaks(body: bytes | None) -> Mapping[str, Any]:
    return {"peaks": (merkle.NO_LEAVES if body is None else _grown(body)).base64()}


def _grown(body: bytes) -> merkle.Peaks:
    """The tree that a frame of the log is the last leaf of."""
    try:
        frame = json.loads(body)
        return merkle.Peaks.of_base64(frame["seq"] - 1, frame["peaks"]).add(merkle.leaf_hash(body))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise LedgerError(
            f"cannot write the ledger: the last line of its log was changed by something else: {error}."
            " Verify it before going on"
        ) from error
