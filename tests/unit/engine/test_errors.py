# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Answers that say no, as recorded from PVE 9.2: the class, Proxmox's words, and what the operator is told to do."""

from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._errors import (
    Answer,
    ApiError,
    AuthenticationFailed,
    BadInput,
    Changed,
    Locked,
    NotFound,
    PermissionDenied,
    Refused,
    StewardError,
    Taken,
    Unreachable,
    denied,
    grant_command,
    is_locked,
    translate,
)

TOKEN = "bob@pve!none"


def answered(status: int, text: str, errors: dict[str, str] | None = None, method: str = "POST") -> StewardError:
    """The error for an answer as PVE writes it: reason line and body say the same; a 400 has its cause in errors."""
    if errors:
        return translate(
            Answer(method, "/x", status, "Parameter verification failed.", "Parameter verification failed.\n", errors)
        )
    return translate(Answer(method, "/x", status, text.partition("\n")[0], f"{text}\n", identity=TOKEN))


# -- 401 -------------------------------------------------------------------------------------------------------------

REFUSED_LOGINS = [
    Answer("POST", "/access/ticket", 401, "authentication failure", "authentication failure\n", identity="bob@pve"),
    Answer("GET", "/version", 401, "Authentication failed!", identity=TOKEN),
    Answer("GET", "/version", 401, "No ticket", identity="bob@pve"),
    Answer("PUT", "/x", 401, "Permission denied - invalid csrf token", identity="bob@pve"),
]


@pytest.mark.parametrize("answer", REFUSED_LOGINS, ids=lambda answer: answer.reason)
def test_401_names_the_identity_and_the_options(answer: Answer) -> None:
    error = translate(answer)
    assert error.__class__ is AuthenticationFailed
    assert error.message == f"{answer.identity} was not accepted: {answer.reason}"
    assert "api_token_secret" in error.hint


# -- 403 -------------------------------------------------------------------------------------------------------------

NAMED = [
    ("/vms/200", "VM.Audit"),
    ("/vms/999", "VM.Audit"),
    (
        "/vms/200",
        "VM.Config.Disk|VM.Config.CDROM|VM.Config.CPU|VM.Config.Memory|VM.Config.Network|VM.Config.HWType|"
        "VM.Config.Options|VM.Config.Cloudinit",
    ),
    ("/vms/100", "VM.Config.Disk|VM.Config.CPU|VM.Config.Memory|VM.Config.Network|VM.Config.Options"),
    ("/storage/local", "Datastore.AllocateSpace"),
    ("/vms/200", "VM.PowerMgmt"),
    ("/vms/100", "VM.Snapshot"),
    ("/vms/200", "VM.Allocate"),
    ("/vms/200", "VM.Clone"),
    ("/storage/local", "Datastore.Audit|Datastore.AllocateSpace"),
    ("/storage", "Datastore.Allocate"),
    ("/nodes/pve1", "Sys.Audit"),
    ("/nodes/pve1", "Sys.Modify"),
    ("/access/realm/pve", "Realm.AllocateUser"),
    ("/", "Permissions.Modify"),
    ("/pool/p1", "Pool.Allocate"),
    ("/", "Sys.Audit"),
]


@pytest.mark.parametrize(("path", "privileges"), NAMED)
def test_403_names_privilege_and_path_and_the_line_that_grants_it(path: str, privileges: str) -> None:
    text = f"Permission check failed ({path}, {privileges})"
    error = answered(403, text)
    assert error.__class__ is PermissionDenied
    assert error.message == f"POST /x was refused with 403: {text}"
    assert error.facts["path"] == path
    assert error.facts["privileges"] == privileges.split("|")
    first = privileges.split("|")[0]
    assert error.hint.startswith(f"{TOKEN} needs {privileges.replace('|', ' or ')} on {path}: pveum role add ")
    assert f"--privs '{first}' && pveum acl modify '{path}' --tokens '{TOKEN}' --roles Steward" in error.hint


def test_403_without_a_path_says_that_a_privilege_is_lacking() -> None:
    error = answered(403, "Permission check failed")
    assert error.__class__ is PermissionDenied
    assert error.hint == f"{TOKEN} lacks a privilege for this"
    assert "path" not in error.facts


def test_403_that_no_token_can_pass_asks_for_the_password() -> None:
    text = "Permission check failed (URI '/access/password' not available with API token, need proper ticket.\n)"
    error = answered(403, text, method="PUT")
    assert error.__class__ is PermissionDenied
    assert "not available with API token" in error.message
    assert "api_password" in error.hint


ROOT_ONLY: list[tuple[int, str, dict[str, str] | None]] = [
    (403, "Permission check failed (changing feature flags (except nesting) is only allowed for root@pam)", None),
    (
        403,
        "Permission check failed (changing feature flags for privileged container is only allowed for root@pam)",
        None,
    ),
    (403, "Permission check failed (mount point type bind is only allowed for root@pam)", None),
    (403, "Permission check failed (configuring device passthrough is only allowed for root@pam)", None),
    (403, "Permission check failed (changing the hookscript is only allowed for root@pam)", None),
    (500, "only root can set 'args' config", None),
    (500, "only root can set 'lock' config", None),
    (500, "only root can set 'hostpci0' config for non-mapped devices", None),
    (500, "only root can set 'usb0' config for real devices", None),
    (500, "only root can modify 'serial0' config for real devices", None),
    (500, "Only root can pass arbitrary filesystem paths. at /usr/share/perl5/PVE/Storage.pm line 651.", None),
    (400, "", {"skiplock": "Only root may use this option."}),
    (400, "", {"script": "Only root may set this option."}),
    (400, "", {"dumpdir": "Only root may set this option."}),
]


@pytest.mark.parametrize(("status", "text", "errors"), ROOT_ONLY)
def test_what_only_root_may_do_names_root_at_pam(status: int, text: str, errors: dict[str, str] | None) -> None:
    error = answered(status, text, errors)
    assert error.__class__ is PermissionDenied
    assert error.facts["root_only"] is True
    assert error.hint == "Only root@pam with its password may do this; no API token can"
    assert (text or next(iter((errors or {}).values()))) in error.message


# -- 400 and 500 -----------------------------------------------------------------------------------------------------

REFUSALS: list[tuple[type[StewardError], int, str]] = [
    (NotFound, 500, "Configuration file 'nodes/pve1/qemu-server/999.conf' does not exist"),
    (NotFound, 500, "Configuration file 'nodes/pve1/lxc/999.conf' does not exist"),
    (NotFound, 500, "unable to find configuration file for VM 202 on node 'pve1'"),
    (NotFound, 500, "snapshot 'nope' does not exist"),
    (NotFound, 500, "storage 'nope' does not exist"),
    (NotFound, 500, "no such user ('nobody@pve')"),
    (NotFound, 500, "no such token 'zz' for user 'alice@pve'"),
    (NotFound, 500, "no such cluster node 'pve2'"),
    (ApiError, 500, "create user failed: user 'alice@pve' already exists"),
    (Taken, 500, "unable to create VM 200 - VM 200 already exists on node 'pve1'"),
    (Taken, 500, "CT 100 already exists on node 'pve1'"),
    (Taken, 500, "unable to create VM 201: config file already exists"),
    (Changed, 500, "checksum mismatch (file change by other user?)"),
    (Changed, 500, "detected modified configuration - file changed by other user? Try again."),
    (Changed, 500, "update storage failed: detected modified configuration - file changed by other user? Try again."),
    (Locked, 500, "VM is locked (backup)"),
    (Locked, 500, "CT is locked (backup)"),
    (Locked, 500, "VM is locked"),
    (Locked, 500, "can't lock file '/var/lock/qemu-server/lock-200.conf' - got timeout"),
    (Locked, 500, "can't lock file '/run/lock/lxc/pve-config-100.lock' - got timeout"),
    (ApiError, 500, "CT 100 already running"),
    (ApiError, 500, "CT 100 not running"),
    (ApiError, 500, "VM 200 is running - destroy failed"),
    (ApiError, 500, "unable to destroy CT 100 - container is running"),
    (ApiError, 500, "can't remove CT 100 - protection mode enabled"),
    (ApiError, 500, "unable to use snapshot name 'current' (reserved name)"),
    (ApiError, 500, "no options specified"),
    (ApiError, 500, "unable to shrink disk size"),
    (ApiError, 500, "unable to modify read-only option: 'unprivileged'"),
    (ApiError, 500, "you can't convert a template to a template"),
    (ApiError, 500, "QEMU guest agent is not running"),
    (ApiError, 500, "Linked clone feature is not supported for 'local:200/vm-200-disk-0.qcow2' (scsi0)"),
    (ApiError, 500, "cluster not ready - no quorum?"),
    (ApiError, 500, "ACL update failed: cfs-lock 'file-user_cfg' error: no quorum!"),
    (ApiError, 500, "can't migrate running container without --online or --restart"),
    (ApiError, 501, "Method 'GET /nope' not implemented"),
]


@pytest.mark.parametrize(("kind", "status", "text"), REFUSALS)
def test_a_refusal_has_its_class_and_keeps_proxmox_own_words(kind: type[StewardError], status: int, text: str) -> None:
    error = answered(status, text)
    assert error.__class__ is kind
    assert error.message == f"POST /x was refused with {status}: {text}"
    assert error.facts["status"] == status


def test_a_node_name_that_does_not_resolve_is_not_a_missing_object() -> None:
    text = "hostname lookup 'pve3' failed - failed to get address info for: pve3: Temporary failure in name resolution"
    assert answered(500, text).__class__ is ApiError


PARAMETERS = [
    {"tokenid": "Token already exists."},
    {"snapname": "invalid format - invalid configuration ID 's'\n"},
    {
        "cores": "type check ('integer') failed - got 'x'",
        "foo": "property is not defined in schema and the schema does not allow additional properties",
    },
    {"vmid": "property is missing and it is not optional"},
    {"vmid": "invalid format - value does not look like a valid VM ID\n"},
    {"net1": "invalid format - format error\nnet1.name: property is missing and it is not optional\n"},
    {"delete": "unknown option 'bogus'"},
    {"memory": "unable to hotplug memory: no\n"},
    {"target": "target is local node."},
    {"vmid": "VM 100 already exists"},
]


@pytest.mark.parametrize("errors", PARAMETERS, ids="-".join)
def test_400_says_which_parameters_and_why_on_one_line(errors: dict[str, str]) -> None:
    error = answered(400, "", errors)
    assert error.__class__ is ApiError
    assert error.facts["errors"] == errors
    assert "\n" not in error.message
    for name, text in errors.items():
        assert f"{name}: {' '.join(text.split())}" in error.message


def test_a_500_that_wraps_a_400_shows_the_cause_of_its_later_lines() -> None:
    body = "Parameter verification failed.\nrootfs: unable to parse volume ID 'x'\n"
    error = translate(Answer("POST", "/x", 500, "Parameter verification failed.", body))
    assert error.message == "POST /x was refused with 500: rootfs: unable to parse volume ID 'x'"


def test_a_message_of_several_lines_is_told_whole() -> None:
    error = translate(Answer("POST", "/x", 500, "storage is not online", "storage is not online\nmount it first\n"))
    assert error.message == "POST /x was refused with 500: storage is not online mount it first"


@pytest.mark.parametrize("status", [595, 596, 597, 598, 599])
def test_a_node_that_the_proxy_cannot_reach_is_unreachable(status: int) -> None:
    error = translate(Answer("GET", "/nodes/pve2/lxc", status, "No route to host"))
    assert error.__class__ is Unreachable
    assert "No route to host" in error.message
    assert error.facts["status"] == status


# -- the texts around it ---------------------------------------------------------------------------------------------


def test_grants_go_to_a_token_or_a_user_with_a_role_per_path() -> None:
    assert grant_command("/", ["Sys.Audit"], "bob@pve") == (
        "pveum role add StewardEverywhere --privs 'Sys.Audit' && "
        "pveum acl modify '/' --users 'bob@pve' --roles StewardEverywhere"
    )
    assert grant_command("/vms/100", ["VM.Audit", "VM.Clone"], "bob@pve!ci") == (
        "pveum role add StewardVms100 --privs 'VM.Audit VM.Clone' && "
        "pveum acl modify '/vms/100' --tokens 'bob@pve!ci' --roles StewardVms100"
    )


def test_an_error_says_what_happened_then_that_nothing_was_sent_then_what_to_do() -> None:
    assert str(BadInput("vmid: 1 is not valid", "Give a larger one")) == (
        "vmid: 1 is not valid. Nothing was sent. Give a larger one"
    )
    assert str(Refused("lxc/100 is running")) == "lxc/100 is running. Nothing was sent"
    assert str(ApiError("POST /x was refused")) == "POST /x was refused"


@pytest.mark.parametrize(
    ("text", "locked"),
    [
        ("CT is locked (snapshot)", True),
        ("VM is locked (backup)", True),
        ("unable to acquire lock", True),
        ("cfs-lock 'file-user_cfg' error: got lock request timeout", True),
        ("cfs-lock 'file-user_cfg' error: no quorum!", False),
        ("the door is locked", False),
    ],
)
def test_is_locked(text: str, locked: bool) -> None:
    assert is_locked(text) is locked


def test_a_text_that_does_not_speak_of_permissions_is_not_a_denial() -> None:
    assert denied("CT 100 already running", "Task", TOKEN) is None


def facts_of(error: StewardError | None) -> dict[str, Any]:
    assert error is not None
    return error.facts


def test_a_denial_that_only_stands_in_a_task_has_the_same_facts() -> None:
    facts = facts_of(denied("Permission check failed (/storage/nas, Datastore.AllocateSpace)", "Task UPID", TOKEN))
    assert facts == {"path": "/storage/nas", "privileges": ["Datastore.AllocateSpace"]}
