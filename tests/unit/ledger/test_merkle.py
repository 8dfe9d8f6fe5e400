# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tree against the published vectors, against a reference written as RFC 6962 defines it, and forged proofs."""

import hashlib
import tracemalloc
from collections.abc import Iterable, Iterator

import pytest
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger import merkle, verify_proof
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.strict_base64 import encode
from hypothesis import given, settings
from hypothesis import strategies as st

# the test vectors of the certificate-transparency project, which every implementation of RFC 6962 quotes
INPUTS = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
L2 = "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7"
L34 = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e"
L5 = "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"
L56 = "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a"
L58 = "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"
L78 = "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0"

VECTORS = [merkle.leaf_hash(bytes.fromhex(text)) for text in INPUTS]
LEAVES = [merkle.leaf_hash(str(number).encode()) for number in range(131)]
AROUND_POWERS = sorted({size for power in range(8) for size in ((1 << power) - 1, 1 << power, (1 << power) + 1)} | {0})


def reference_root(leaves: list[bytes]) -> bytes:
    """MTH(D[n]) of RFC 6962 section 2.1."""
    if len(leaves) < 2:
        return leaves[0] if leaves else hashlib.sha256(b"").digest()
    split = half(len(leaves))
    return hashlib.sha256(b"\1" + reference_root(leaves[:split]) + reference_root(leaves[split:])).digest()


def reference_path(index: int, leaves: list[bytes]) -> list[bytes]:
    """PATH(m, D[n]) of section 2.1.1."""
    if len(leaves) == 1:
        return []
    split = half(len(leaves))
    if index < split:
        return [*reference_path(index, leaves[:split]), reference_root(leaves[split:])]
    return [*reference_path(index - split, leaves[split:]), reference_root(leaves[:split])]


def reference_proof(old: int, leaves: list[bytes], whole: bool = True) -> list[bytes]:
    """SUBPROOF(m, D[n], b) of section 2.1.2."""
    if old == len(leaves):
        return [] if whole else [reference_root(leaves)]
    split = half(len(leaves))
    if old <= split:
        return [*reference_proof(old, leaves[:split], whole), reference_root(leaves[split:])]
    return [*reference_proof(old - split, leaves[split:], whole=False), reference_root(leaves[:split])]


def half(size: int) -> int:
    """The largest power of two that is smaller."""
    power = 1
    while power * 2 < size:
        power *= 2
    return power


def path_to(index: int, size: int, leaves: Iterable[bytes] = LEAVES) -> list[bytes]:
    (path,) = merkle.inclusion_paths([index], size, leaves).values()
    return path


def is_included(leaf: bytes, index: int, size: int, path: list[bytes], root: bytes) -> bool:
    """What verify_proof.py makes of it."""
    try:
        return verify_proof._root(leaf, index, size, [encode(node) for node in path]) == root
    except ValueError:
        return False


def is_consistent(old: int, old_root: bytes, size: int, root: bytes, path: list[bytes]) -> bool:
    older, head = (verify_proof.TreeHead("", length, found, "") for length, found in ((old, old_root), (size, root)))
    try:
        return verify_proof._begins(older, head, [encode(node) for node in path])
    except (ValueError, LookupError):
        return False


def test_roots_are_those_of_the_vectors() -> None:
    found = [merkle.peaks_of(VECTORS[:size]).root().hex() for size in range(9)]
    assert found == ROOTS


@pytest.mark.parametrize(
    ("leaf", "size", "path"),
    [
        (1, 1, []),
        (1, 8, [L2, L34, L58]),
        (6, 8, [L5, L78, ROOTS[4]]),
        (3, 3, [ROOTS[2]]),
        (2, 5, [ROOTS[1], L34, L5]),
    ],
)
def test_inclusion_paths_are_those_of_the_vectors(leaf: int, size: int, path: list[str]) -> None:
    assert [part.hex() for part in path_to(leaf - 1, size, VECTORS)] == path


@pytest.mark.parametrize(
    ("old", "size", "path"),
    [(1, 1, []), (1, 8, [L2, L34, L58]), (6, 8, [L56, L78, ROOTS[4]]), (2, 5, [L34, L5])],
)
def test_consistency_paths_are_those_of_the_vectors(old: int, size: int, path: list[str]) -> None:
    assert [part.hex() for part in merkle.consistency_path(old, size, VECTORS)] == path


@pytest.mark.parametrize("size", AROUND_POWERS)
def test_every_path_is_that_of_the_definition_and_verifies(size: int) -> None:
    leaves = LEAVES[:size]
    root = reference_root(leaves)
    assert merkle.peaks_of(leaves).root() == root
    paths = merkle.inclusion_paths(range(size), size, LEAVES)
    assert list(paths) == list(range(size))
    for index, path in paths.items():
        assert path == reference_path(index, leaves)
        assert is_included(leaves[index], index, size, path, root)
    for old in range(1, size + 1):
        path = merkle.consistency_path(old, size, LEAVES)
        assert path == reference_proof(old, leaves)
        assert is_consistent(old, reference_root(leaves[:old]), size, root, path)


def test_many_paths_take_one_pass_and_no_more_leaves_than_the_tree_has() -> None:
    taken = []

    def once() -> Iterator[bytes]:
        for number, leaf in enumerate(LEAVES):
            taken.append(number)
            yield leaf

    wanted = [99, 3, 4, 0]
    assert merkle.inclusion_paths(wanted, 100, once()) == {n: reference_path(n, LEAVES[:100]) for n in wanted}
    assert taken == list(range(100))
    assert merkle.consistency_path(70, 100, iter(LEAVES)) == reference_proof(70, LEAVES[:100])


def test_a_path_holds_one_branch_of_the_tree_at_a_time() -> None:
    size = 20_000
    tracemalloc.start()
    merkle.inclusion_paths([0, size // 2, size - 1], size, (bytes([n % 251]) * 32 for n in range(size)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100_000, "less than a tenth of the leaves alone"


def test_the_roots_of_several_sizes_come_from_one_pass() -> None:
    found = merkle.roots([7, 0, 131, 7, 132], iter(LEAVES))
    assert found == {size: reference_root(LEAVES[:size]) for size in (0, 7, 131)}


@given(st.integers(0, 130))
def test_peaks_survive_base64(size: int) -> None:
    peaks = merkle.peaks_of(LEAVES[:size])
    assert merkle.Peaks.of_base64(size, peaks.base64()) == peaks


@pytest.mark.parametrize(
    ("size", "change"),
    [
        (2, lambda texts: texts),  # three leaves have two peaks, two have one
        (-3, lambda texts: texts),
        (3, lambda texts: [texts[0], texts[1].rstrip("=")]),
        (3, lambda texts: [texts[0], texts[1][:-2] + "B="]),  # bits that the value does not have
        (3, lambda texts: [texts[0], texts[1] + "\n"]),
        (3, lambda texts: [texts[0], "AAAA"]),
    ],
)
def test_what_cannot_be_peaks_is_refused(size: int, change: object) -> None:
    texts = merkle.peaks_of([bytes(32), bytes(32), bytes(32)]).base64()
    assert callable(change)
    with pytest.raises(ValueError):
        merkle.Peaks.of_base64(size, change(texts))


@pytest.mark.parametrize(("index", "size"), [(5, 5), (-1, 5), (0, 0), (3, 132)])
def test_there_is_no_path_to_a_leaf_that_is_not_there(index: int, size: int) -> None:
    with pytest.raises(ValueError):
        path_to(index, size)


@pytest.mark.parametrize(("old", "size"), [(6, 5), (-1, 5), (0, 5), (131, 132)])
def test_a_tree_does_not_grow_out_of_a_larger_one(old: int, size: int) -> None:
    with pytest.raises(ValueError):
        merkle.consistency_path(old, size, LEAVES)


def forged(path: list[bytes], data: st.DataObject) -> list[bytes]:
    """Another path: a part that is changed, left out, added, or two that change places."""
    kind = data.draw(st.sampled_from(["change", "drop", "add", "swap"]))
    other = list(path)
    place = data.draw(st.integers(0, max(len(path) - 1, 0)))
    if kind == "change" and path:
        other[place] = bytes([path[place][0] ^ 1]) + path[place][1:]
    elif kind == "drop" and path:
        del other[place]
    elif kind == "swap" and len(path) > 1:
        other[place], other[place - 1] = other[place - 1], other[place]
    else:
        other.insert(place, data.draw(st.sampled_from(LEAVES)))
    return other


def test_a_proof_is_of_one_size_only() -> None:
    """The root of a smaller tree stands in a larger one: without the size it would prove too much."""
    two, four = (merkle.peaks_of(LEAVES[:size]).root() for size in (2, 4))
    assert not is_included(LEAVES[1], 0, 1, [LEAVES[0]], two)
    assert not is_included(LEAVES[0], 0, 8, path_to(0, 4), four)
    assert not is_consistent(2, two, 8, four, merkle.consistency_path(2, 4, LEAVES))


@settings(max_examples=300, deadline=None)
@given(st.integers(1, 130), st.data())
def test_no_other_inclusion_proof_is_accepted(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    root = merkle.peaks_of(LEAVES[:size]).root()
    path = path_to(index, size)
    wrong_index = data.draw(st.integers(-1, size + 1).filter(lambda found: found != index))
    assert not is_included(LEAVES[index], index, size, forged(path, data), root)
    assert not is_included(LEAVES[index], wrong_index, size, path, root)
    assert not is_included(merkle.leaf_hash(b"another"), index, size, path, root)
    assert not is_included(LEAVES[index], index, size, path, bytes(32))


@settings(max_examples=300, deadline=None)
@given(st.integers(2, 130), st.data())
def test_no_other_consistency_proof_is_accepted(size: int, data: st.DataObject) -> None:
    old = data.draw(st.integers(1, size - 1))
    old_root, root = merkle.peaks_of(LEAVES[:old]).root(), merkle.peaks_of(LEAVES[:size]).root()
    path = merkle.consistency_path(old, size, LEAVES)
    rewritten = merkle.peaks_of([merkle.leaf_hash(b"another"), *LEAVES[1:old]]).root()
    assert not is_consistent(old, old_root, size, root, forged(path, data))
    assert not is_consistent(old, rewritten, size, root, path)
    assert not is_consistent(old, old_root, size, rewritten, path)
    assert not is_consistent(old=size, old_root=root, size=old, root=old_root, path=path)
    assert not is_consistent(old, old_root, size, root, [])
    assert not is_consistent(0, merkle.EMPTY, size, root, [])
