# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The policy file: a wrong one is an error that names file and key, and never no policy."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._errors import BadInput
from ansible_collections.steward.proxmox.plugins.module_utils._limits import Limit
from ansible_collections.steward.proxmox.plugins.module_utils._policy import Policy
from ansible_collections.steward.proxmox.plugins.plugin_utils._gate import policy_file


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "policy.yml"


def load(path: Path, text: str | bytes) -> Policy:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return policy_file.load(path, "STEWARD_POLICY")


def test_what_a_file_leaves_out_is_as_in_the_built_in_policy(path: Path) -> None:
    policy = load(path, "version: 1\nmax_risk: medium\nlimits:\n  max_cpu: 99\n")
    assert (policy.max_risk, policy.origins["max_risk"]) == ("medium", f"max_risk in {path}")
    assert policy.limits.max_cpu == Limit(99, f"limits.max_cpu in {path}")
    assert policy.limits.max_vms == Limit(50, f"guarded, because {path} leaves limits.max_vms out")
    assert (policy.approval, policy.valid_for) == ("destructive", 8 * 3600)
    assert policy.origins["approval"] == f"guarded, because {path} leaves approval out"
    assert (policy.protect, policy.actors, policy.ledger_required) == ((), None, False)


def test_a_file_may_ask_for_less_than_the_built_in_policy(path: Path) -> None:
    policy = load(path, "version: 1\napproval: none\nlimits: {max_vms: unlimited}\nvalid_for: 3d\n")
    assert (policy.approval, policy.limits.max_vms, policy.valid_for) == ("none", None, 3 * 86400)


def test_a_file_that_opens_one_way_into_guests_closes_the_other(path: Path) -> None:
    assert load(path, "version: 1\nexec: {qga: [101]}\n").exec == {"pct": (), "qga": ((101, 101),)}
    assert load(path, "version: 1\n").exec is None


WRONG: dict[str, tuple[str | bytes, str]] = {
    "empty": ("", "PATH holds no mapping; it begins with version: 1"),
    "only a comment": ("# version: 1\n", "PATH holds no mapping"),
    "a list": ("- version: 1\n", "PATH holds no mapping"),
    "no version": ("approval: all\n", "version in PATH: None is not 1"),
    "newer": ("version: 2\nnew: true\n", "version in PATH: 2 is not 1, the version that is understood here"),
    "a version that is nearly one": ("version: true\n", "version in PATH: True is not 1"),
    "unknown key": ("version: 1\nprotects: {}\n", "protects in PATH: there is no such key; known are approval"),
    "wrong value": ("version: 1\napproval: maybe\n", "approval in PATH: 'maybe' is not one of none, destructive, all"),
    "wrong type": ("version: 1\nlimits: 16\n", "limits in PATH: 16 is not a mapping"),
    "a number that is none": ("version: 1\nlimits: {max_cpu: many}\n", "limits.max_cpu in PATH: 'many' is not a whole"),
    "twice": ("version: 1\napproval: all\nmax_risk: low\napproval: none\n", "PATH, line 4: the key 'approval' stands"),
    "twice, below": ("version: 1\nlimits:\n  max_cpu: 1\n  max_cpu: 99\n", "PATH, line 4: the key 'max_cpu' stands"),
    "twice, by merging": ("version: 1\napproval: all\n<<: {approval: none}\n", "PATH, line 3: a key is a plain word"),
    "no value": ("version: 1\nprotect:\n", "PATH, line 2: a key or an item has no value"),
    "no value, below": ("version: 1\nprotect: {tags: [prod, ~]}\n", "PATH, line 2: a key or an item has no value"),
    "anchor": ("version: 1\nprotect: &all {}\n", "PATH, line 2: 'all': a policy has no anchors, aliases and tags"),
    "alias": ("version: 1\nprotect: *all\n", "PATH, line 2: 'all': a policy has no anchors"),
    "tag": ("version: 1\napproval: !!str all\n", "a policy has no anchors, aliases and tags"),
    "object": ("version: 1\napproval: !!python/object/apply:os.getpid []\n", "a policy has no anchors, aliases and"),
    "a key that is a list": ("version: 1\n? [a]\n: b\n", "PATH, line 2: a key is a plain word"),
    "two documents": ("version: 1\n---\nversion: 1\n", "PATH, line 2: but found another document"),
    "no YAML": ("version: 1\n\tapproval: all\n", "PATH, line 2: found"),
    "cut off": ("version: 1\nprotect: {vmids: [100, 1", "PATH, line 3: did not find"),
    "deep": ("[" * 100_000, "PATH, line 1: this is nested too deep for a policy"),
    "no UTF-8": (b"version: 1\n# \xff\n", "STEWARD_POLICY: the policy PATH is not UTF-8"),
    "control characters": (b"version: 1\n# \x00\n", "PATH: "),
    "huge": (b"#" * (1 << 20) + b"\n", "the policy PATH has more than 1048576 bytes"),
    "nobody could sign": ("version: 1\nsignature: required\n", "signature in PATH: required, but signers names nobody"),
    "nobody is among the signers": ("version: 1\nsignature: required\nsigners: {}\n", "signers names nobody"),
}


@pytest.mark.parametrize(("text", "told"), WRONG.values(), ids=WRONG)
def test_a_wrong_file_is_an_error(path: Path, text: str | bytes, told: str) -> None:
    with pytest.raises(BadInput) as error:
        load(path, text)
    assert told.replace("PATH", str(path)) in str(error.value)
    assert "Nothing was sent" in str(error.value)


def test_an_error_does_not_grow_with_what_is_wrong(path: Path) -> None:
    """An alias can make one line as large as memory; a long value is not repeated as a whole."""
    with pytest.raises(BadInput) as error:
        load(path, "version: 1\n" + "".join(f"a{n}: &a{n} [{f'*a{n - 1},' * 9 if n else 'x'}]\n" for n in range(40)))
    assert len(str(error.value)) < 500


@pytest.mark.parametrize("kind", ["missing", "directory", "pipe", "no such directory"])
def test_what_is_no_file_is_an_error_that_says_why(path: Path, kind: str) -> None:
    match kind:
        case "directory":
            path.mkdir()
        case "pipe":
            os.mkfifo(path)
        case "no such directory":
            path = path.parent / "none" / "policy.yml"
    why = {"directory": "cannot be read: Is a directory", "pipe": "is not a regular file"}
    told = why.get(kind, "cannot be read: No such file")
    with pytest.raises(BadInput, match=told) as error:
        policy_file.load(path, "STEWARD_POLICY")
    assert str(error.value).startswith(f"STEWARD_POLICY: the policy {path}")


@pytest.mark.skipif(os.getuid() == 0, reason="root reads everything")
def test_a_file_that_may_not_be_read_is_an_error(path: Path) -> None:
    path.write_text("version: 1\n")
    path.chmod(0)
    with pytest.raises(BadInput, match="cannot be read: Permission denied"):
        policy_file.load(path, "STEWARD_POLICY")


def test_a_file_that_everybody_may_write_is_no_policy(path: Path) -> None:
    load(path, "version: 1\n")
    path.chmod(0o646)
    with pytest.raises(BadInput, match=f"everybody can write to {path}, so anybody could loosen the policy"):
        policy_file.load(path, "STEWARD_POLICY")


@pytest.mark.parametrize("mode", [0o777, 0o1777])
def test_a_directory_that_everybody_may_write_is_no_place_for_one(path: Path, mode: int) -> None:
    load(path, "version: 1\n")
    path.parent.chmod(mode)
    with pytest.raises(BadInput, match=f"everybody can write to {path.parent},"):
        policy_file.load(path, "STEWARD_POLICY")


def test_a_link_is_as_safe_as_both_of_its_ends(path: Path, tmp_path: Path) -> None:
    load(path, "version: 1\nmax_risk: low\n")
    (tmp_path / "links").mkdir()
    link = tmp_path / "links" / "policy.yml"
    link.symlink_to(path)
    assert policy_file.load(link, "STEWARD_POLICY").max_risk == "low"
    for place in (link.parent, path.parent):
        place.chmod(0o777)
        with pytest.raises(BadInput, match=f"everybody can write to {place},"):
            policy_file.load(link, "STEWARD_POLICY")
        place.chmod(0o755)
