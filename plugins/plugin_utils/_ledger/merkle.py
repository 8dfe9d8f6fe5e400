# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Merkle tree of RFC 6962 over the frames of the log, and its proofs (RFC 9162 section 2.1). Pure.

A path is the roots of some subtrees, each of which stands over a range of leaves. One pass over all leaves makes any
number of paths.
"""

import hashlib
from collections.abc import Collection, Iterable, Sequence
from itertools import islice
from typing import NamedTuple

from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger import strict_base64

EMPTY = hashlib.sha256(b"").digest()  # the root of a tree without leaves
Range = tuple[int, int]  # from the first leaf to before the second one


def leaf_hash(data: bytes) -> bytes:
    return hashlib.sha256(b"\0" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()


class Peaks(NamedTuple):
    """A tree of ``size`` leaves by the roots of its perfect subtrees, the largest first: all that it takes to grow."""

    size: int = 0
    hashes: tuple[bytes, ...] = ()

    def add(self, leaf: bytes) -> "Peaks":
        """The tree with one more leaf, which is given by its hash."""
        hashes, merges = self.hashes, self.size
        while merges & 1:  # each trailing 1 bit of the size is a peak as large as what is added
            hashes, leaf, merges = hashes[:-1], node_hash(hashes[-1], leaf), merges >> 1
        return Peaks(self.size + 1, (*hashes, leaf))

    def root(self) -> bytes:
        if not self.hashes:
            return EMPTY
        *larger, root = self.hashes
        for peak in reversed(larger):
            root = node_hash(peak, root)
        return root

    def base64(self) -> list[str]:
        return [strict_base64.encode(peak) for peak in self.hashes]

    @classmethod
    def of_base64(cls, size: int, texts: Sequence[str]) -> "Peaks":
        """Raises ValueError where these are not the peaks of any tree of that size."""
        hashes = tuple(strict_base64.decode(text, 32) for text in texts)
        if size < 0 or len(hashes) != size.bit_count():
            raise ValueError(f"a tree of {size} leaves has {max(size, 0).bit_count()} peaks, not {len(hashes)}")
        return cls(size, hashes)


NO_LEAVES = Peaks()


def peaks_of(leaves: Iterable[bytes], before: Peaks = NO_LEAVES) -> Peaks:
    """The tree with these leaf hashes added."""
    for leaf in leaves:
        before = before.add(leaf)
    return before


def roots(sizes: Iterable[int], leaves: Iterable[bytes]) -> dict[int, bytes]:
    """The roots of the trees of the first so many leaf hashes. A size beyond the last leaf is left out."""
    rest, peaks, found = iter(leaves), NO_LEAVES, {}
    for size in sorted(set(sizes)):
        peaks = peaks_of(islice(rest, size - peaks.size), peaks)
        if peaks.size == size:
            found[size] = peaks.root()
    return found


def inclusion_paths(indexes: Iterable[int], size: int, leaves: Iterable[bytes]) -> dict[int, list[bytes]]:
    """What proves that these leaves (from 0) are in the tree of the first ``size`` leaf hashes. One pass over them."""
    paths = {index: _beside((index, index + 1), size) for index in indexes}
    found = _of_ranges({range_ for path in paths.values() for range_ in path}, size, leaves)
    return {index: [found[range_] for range_ in path] for index, path in paths.items()}


def consistency_path(old: int, size: int, leaves: Iterable[bytes]) -> list[bytes]:
    """What proves that the tree of the first ``size`` leaf hashes begins with the tree of the first ``old`` ones."""
    if old == size:  # a tree begins with itself
        return []
    last = (old - (old & -old), old)  # the smallest peak of the old tree; where it is the whole, its root is known
    path = [*([last] if last[0] else []), *_beside(last, size)]
    found = _of_ranges(path, size, leaves)
    return [found[range_] for range_ in path]


def _beside(part: Range, size: int) -> list[Range]:
    """What stands beside a subtree and beside all above it, from there up to the root."""
    if not 0 <= part[0] < part[1] <= size:
        raise ValueError(f"leaf {part[1] - 1} is not in a tree of {size} leaves")
    start, end, found = 0, size, []
    while (start, end) != part:
        split = _split(start, end)
        if part[0] < split:
            found.append((split, end))
            end = split
        else:
            found.append((start, split))
            start = split
    return found[::-1]


def _split(start: int, end: int) -> int:
    """Where the tree over a range divides: the left half is the largest perfect tree that leaves a right one."""
    return start + (1 << (end - start - 1).bit_length() - 1)


def _of_ranges(wanted: Collection[Range], size: int, leaves: Iterable[bytes]) -> dict[Range, bytes]:
    """The roots of subtrees of the tree of the first ``size`` leaf hashes, of which it holds one branch at a time."""
    rest = iter(leaves)
    found: dict[Range, bytes] = {}
    if not wanted:
        return found

    def root(start: int, end: int) -> bytes:
        if end - start == 1:
            made = next(rest)
        else:
            split = _split(start, end)
            made = node_hash(root(start, split), root(split, end))
        if (start, end) in wanted:
            found[start, end] = made
        return made

    try:
        root(0, size)
    except StopIteration:
        raise ValueError(f"there are fewer than {size} leaves") from None
    return found
