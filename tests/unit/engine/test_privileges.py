# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a credential holds, from one read of /access/permissions, and what is said about what it lacks."""

from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._errors import Refused
from ansible_collections.steward.proxmox.plugins.module_utils._privileges import Need, assess, held, refuse_missing

AUDIT = ("VM.Audit",)

# permissions (path -> privilege -> propagates), need, held
HELD: list[tuple[dict[str, dict[str, Any]], Need, bool]] = [
    ({"/vms/100": {"VM.Audit": 1}}, Need("/vms/100", AUDIT), True),
    # where it is set it holds, also when it does not propagate
    ({"/vms/100": {"VM.Audit": 0}}, Need("/vms/100", AUDIT), True),
    ({"/vms": {"VM.Audit": 1}}, Need("/vms/100", AUDIT), True),
    ({"/vms": {"VM.Audit": "1"}}, Need("/vms/100", AUDIT), True),
    ({"/vms": {"VM.Audit": 0}}, Need("/vms/100", AUDIT), False),
    ({"/": {"VM.Audit": 1}}, Need("/vms/100", AUDIT), True),
    ({"/": {"VM.Audit": 1}}, Need("/", AUDIT), True),
    ({"/": {"VM.Audit": 0}}, Need("/", AUDIT), True),
    ({"/": {"VM.Audit": 0}}, Need("/vms", AUDIT), False),
    # the nearest listed path decides: what stands there is already all that is inherited
    ({"/": {"VM.Audit": 1}, "/vms": {"VM.Clone": 1}}, Need("/vms/100", AUDIT), False),
    ({"/": {"VM.Audit": 1}, "/vms/100": {}}, Need("/vms/100", AUDIT), False),
    ({"/vms": {"VM.Clone": 1}}, Need("/vms/100", AUDIT), False),
    ({"/vms/1000": {"VM.Audit": 1}}, Need("/vms/100", AUDIT), False),
    ({"/storage/nas": {"VM.Audit": 1}}, Need("/vms/100", AUDIT), False),
    ({}, Need("/vms/100", AUDIT), False),
    # any one privilege is enough
    ({"/storage": {"Datastore.Audit": 1}}, Need("/storage/nas", ("Datastore.AllocateSpace", "Datastore.Audit")), True),
    # the pool of a guest is an alternative to its own path
    ({"/pool/web": {"VM.Allocate": 1}}, Need("/vms/100", ("VM.Allocate",), or_path="/pool/web"), True),
    ({"/pool": {"VM.Allocate": 1}}, Need("/vms/100", ("VM.Allocate",), or_path="/pool/web"), True),
    ({"/pool/db": {"VM.Allocate": 1}}, Need("/vms/100", ("VM.Allocate",), or_path="/pool/web"), False),
]


@pytest.mark.parametrize(("permissions", "need", "expected"), HELD)
def test_held(permissions: dict[str, dict[str, Any]], need: Need, expected: bool) -> None:
    assert held(permissions, need) is expected


def test_what_could_not_be_read_is_unknown() -> None:
    assert held(None, Need("/vms/100", AUDIT)) is None
    assert assess([Need("/vms/100", AUDIT)], None, is_root=False)[0]["held"] == "unknown"


def test_root_holds_everything() -> None:
    assert assess([Need("/vms/100", AUDIT)], None, is_root=True)[0]["held"] is True


def test_each_need_is_shown_once_with_its_alternative() -> None:
    needs = [Need("/vms/1", AUDIT), Need("/vms/1", AUDIT), Need("/vms/1", ("VM.Allocate",), "/pool/a")]
    assert assess(needs, {}, is_root=False) == [
        {"path": "/vms/1", "any_of": ["VM.Audit"], "held": False},
        {"path": "/vms/1", "any_of": ["VM.Allocate"], "held": False, "or_path": "/pool/a"},
    ]


def test_a_refusal_lists_all_that_is_lacking_and_one_grant_per_path() -> None:
    needs = [
        Need("/vms/100", ("VM.Allocate",)),
        Need("/vms/100", ("VM.Config.CPU", "VM.Config.Memory")),
        Need("/storage/nas", ("Datastore.AllocateSpace",)),
        Need("/nodes/pve1", ("Sys.Audit",)),
    ]
    rows = assess(needs, {"/nodes": {"Sys.Audit": 1}}, is_root=False)
    with pytest.raises(Refused) as caught:
        refuse_missing(rows, "bob@pve!ci")
    assert str(caught.value) == (
        "bob@pve!ci lacks: VM.Allocate on /vms/100; VM.Config.CPU or VM.Config.Memory on /vms/100; "
        "Datastore.AllocateSpace on /storage/nas. Nothing was sent. An administrator can grant it: "
        "pveum role add StewardVms100 --privs 'VM.Allocate VM.Config.CPU' && "
        "pveum acl modify '/vms/100' --tokens 'bob@pve!ci' --roles StewardVms100 && "
        "pveum role add StewardStorageNas --privs 'Datastore.AllocateSpace' && "
        "pveum acl modify '/storage/nas' --tokens 'bob@pve!ci' --roles StewardStorageNas "
        "(with privilege separation, bob@pve needs them too)"
    )
    assert caught.value.facts["privileges"] == rows[:3]


def test_unknown_is_not_refused_here_because_the_server_decides() -> None:
    rows = assess([Need("/vms/100", AUDIT)], None, is_root=False)
    refuse_missing(rows, "bob@pve!ci")
    assert rows[0]["held"] == "unknown"
