# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who is refused, with which words; and what belongs to root@pam alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.lab import Lab

from .conftest import TEMPLATE, Client

QEMU_CONFIG = (
    "VM.Config.Disk|VM.Config.CDROM|VM.Config.CPU|VM.Config.Memory|VM.Config.Network|VM.Config.HWType"
    "|VM.Config.Options|VM.Config.Cloudinit"
)
LXC_CONFIG = "VM.Config.Disk|VM.Config.CPU|VM.Config.Memory|VM.Config.Network|VM.Config.Options"
AUDIT_STORAGE = "/storage/local, Datastore.Audit|Datastore.AllocateSpace"
# method, path, parameters, what stands in the brackets of the 403 for a token without any right
REFUSED: list[tuple[str, str, dict[str, Any], str]] = [
    ("GET", "/nodes/pve1/qemu/200/config", {}, "/vms/200, VM.Audit"),
    ("GET", "/nodes/pve1/qemu/999/config", {}, "/vms/999, VM.Audit"),
    ("PUT", "/nodes/pve1/qemu/200/config", {"cores": 1}, f"/vms/200, {QEMU_CONFIG}"),
    ("PUT", "/nodes/pve1/lxc/100/config", {"cores": 1}, f"/vms/100, {LXC_CONFIG}"),
    ("POST", "/nodes/pve1/qemu", {"vmid": 300}, ""),
    ("POST", "/nodes/pve1/lxc", {"vmid": 300, "ostemplate": TEMPLATE}, ""),
    ("POST", "/nodes/pve1/qemu/200/status/start", {}, "/vms/200, VM.PowerMgmt"),
    ("POST", "/nodes/pve1/lxc/100/snapshot", {"snapname": "abc"}, "/vms/100, VM.Snapshot"),
    ("DELETE", "/nodes/pve1/lxc/100/snapshot/abc", {}, "/vms/100, VM.Snapshot"),
    ("DELETE", "/nodes/pve1/qemu/200", {}, "/vms/200, VM.Allocate"),
    ("POST", "/nodes/pve1/qemu/200/clone", {"newid": 302}, "/vms/200, VM.Clone"),
    ("POST", "/nodes/pve1/vzdump", {"vmid": 100, "storage": "local"}, "/storage/local, Datastore.AllocateSpace"),
    ("GET", "/nodes/pve1/storage/local/content", {}, AUDIT_STORAGE),
    ("POST", "/storage", {"storage": "xx", "type": "dir", "path": "/x"}, "/storage, Datastore.Allocate"),
    ("GET", "/nodes/pve1/status", {}, "/nodes/pve1, Sys.Audit"),
    ("POST", "/nodes/pve1/network", {"iface": "vmbr5", "type": "bridge"}, "/nodes/pve1, Sys.Modify"),
    ("POST", "/access/users", {"userid": "eve@pve"}, "/access/realm/pve, Realm.AllocateUser"),
    ("PUT", "/access/acl", {"path": "/", "roles": "PVEAdmin", "users": "x@pve"}, "/, Permissions.Modify"),
    ("POST", "/pools", {"poolid": "p1"}, "/pool/p1, Pool.Allocate"),
    ("GET", "/cluster/backup", {}, "/, Sys.Audit"),
    ("GET", "/cluster/ha/resources", {}, "/, Sys.Audit"),
]
SHRINKING = ["/nodes/pve1/qemu", "/nodes/pve1/lxc", "/storage", "/access/acl", "/pools", "/nodes/pve1/tasks"]


@pytest.fixture(scope="module")
def shared() -> Iterator[Lab]:
    with Lab() as running:
        root = Client(running)
        root.create(100)
        root.data("POST", "/nodes/pve1/qemu", vmid=200, scsi0="local-zfs:1")
        root.data("POST", "/pools", poolid="crew")
        yield running


@pytest.mark.parametrize(("method", "path", "params", "what"), REFUSED)
def test_a_token_without_rights_is_told_what_is_missing(
    shared: Lab, method: str, path: str, params: dict[str, Any], what: str
) -> None:
    answer = Client(shared, "nothing").call(method, path, **params)
    text = f"Permission check failed ({what})" if what else "Permission check failed"
    assert (answer.status_code, answer.reason) == (403, text)
    assert answer.json() == {"data": None, "message": text + "\n"}


@pytest.mark.parametrize("path", SHRINKING)
def test_lists_shrink_instead_of_failing(shared: Lab, path: str) -> None:
    assert Client(shared, "root").data("GET", path)
    assert Client(shared, "nothing").data("GET", path) == []


def test_resources_show_the_nodes_to_everybody_and_nothing_else(shared: Lab) -> None:
    seen = Client(shared, "nothing").data("GET", "/cluster/resources")
    assert [entry["id"] for entry in seen] == ["node/pve1", "node/pve2", "node/pve3"]
    assert "maxmem" not in seen[0]


def test_effective_permissions(shared: Lab) -> None:
    assert Client(shared, "nothing").data("GET", "/access/permissions") == {}
    seen = Client(shared, "vmadmin").data("GET", "/access/permissions")
    assert list(seen) == ["/vms"]
    assert seen["/vms"]["VM.Allocate"] == 1
    audit = Client(shared, "auditor").data("GET", "/access/permissions", path="/vms/100")
    assert set(audit) == {"/vms/100"}
    assert "VM.Allocate" not in audit["/vms/100"]


def test_an_acl_on_a_pool_holds_for_its_members(lab: Lab) -> None:
    root, weak = Client(lab), Client(lab, "nothing")
    root.create(100)
    root.data("POST", "/pools", poolid="crew")
    root.data("PUT", "/pools", poolid="crew", vms=100)
    root.data("PUT", "/access/acl", path="/pool/crew", roles="PVEVMUser", tokens="nobody@pve!nothing")
    assert weak.call("GET", "/nodes/pve1/lxc/100/config").status_code == 403  # the user has no right to pass on
    root.data("PUT", "/access/acl", path="/pool/crew", roles="PVEVMUser", users="nobody@pve")
    assert weak.data("GET", "/nodes/pve1/lxc/100/config")["hostname"] == "CT100"


def test_a_deeper_acl_replaces_the_inherited_one(lab: Lab) -> None:
    root = Client(lab)
    root.create(100)
    root.data("PUT", "/access/acl", path="/vms/100", roles="NoAccess", users="automation@pve")
    answer = Client(lab, "admin").call("GET", "/nodes/pve1/lxc/100/config")
    assert answer.reason == "Permission check failed (/vms/100, VM.Audit)"


FEATURES = "changing feature flags (except nesting) is only allowed for root@pam"
CREATE = {"vmid": 300, "ostemplate": TEMPLATE, "rootfs": "local-zfs:1"}
Answer = tuple[int, str]


def twice(status: int, reason: str) -> tuple[Answer, Answer]:
    """A token of root and an administrator are told the same."""
    return (status, reason), (status, reason)


# method, path, parameters, status for root's ticket, status and reason for a token of root, and for an administrator
ROOT_ONLY: list[tuple[str, str, dict[str, Any], int, Answer, Answer]] = [
    ("POST", "/nodes/pve1/lxc", CREATE | {"features": "keyctl=1"}, 200, (403, FEATURES), (403, FEATURES)),
    ("POST", "/nodes/pve1/lxc", CREATE | {"features": "nesting=1,keyctl=1"}, 200, (403, FEATURES), (403, FEATURES)),
    ("POST", "/nodes/pve1/lxc", CREATE | {"features": "nesting=1"}, 200, (200, "OK"), (200, "OK")),
    (
        "POST",
        "/nodes/pve1/lxc",
        CREATE | {"features": "nesting=1", "unprivileged": 0},
        200,
        (403, "changing feature flags for privileged container is only allowed for root@pam"),
        (403, "/, Sys.Modify"),
    ),
    ("POST", "/nodes/pve1/lxc", CREATE | {"unprivileged": 0}, 200, (200, "OK"), (403, "/, Sys.Modify")),
    ("PUT", "/nodes/pve1/lxc/101/config", {"features": "keyctl=1,nesting=1"}, 200, (200, "OK"), (200, "OK")),
    ("PUT", "/nodes/pve1/lxc/101/config", {"features": "nesting=1,keyctl=1"}, 200, (200, "OK"), (200, "OK")),
    ("PUT", "/nodes/pve1/lxc/101/config", {"features": "keyctl=1"}, 200, (200, "OK"), (200, "OK")),
    ("PUT", "/nodes/pve1/lxc/101/config", {"features": "nesting=1"}, 200, (403, FEATURES), (403, FEATURES)),
    ("PUT", "/nodes/pve1/lxc/101/config", {"delete": "features"}, 200, (403, FEATURES), (403, FEATURES)),
    (
        "PUT",
        "/nodes/pve1/lxc/101/config",
        {"mp0": "/tmp,mp=/mnt"},
        200,
        *twice(403, "mount point type bind is only allowed for root@pam"),
    ),
    (
        "PUT",
        "/nodes/pve1/lxc/101/config",
        {"dev0": "/dev/null"},
        200,
        *twice(403, "configuring device passthrough is only allowed for root@pam"),
    ),
    (
        "PUT",
        "/nodes/pve1/lxc/101/config",
        {"hookscript": "local:snippets/x.pl"},
        500,
        *twice(403, "changing the hookscript is only allowed for root@pam"),
    ),
    ("PUT", "/nodes/pve1/lxc/101/config", {"lock": "backup"}, 200, (200, "OK"), (200, "OK")),
    ("PUT", "/nodes/pve1/qemu/200/config", {"args": "-foo"}, 200, *twice(500, "only root can set 'args' config")),
    (
        "PUT",
        "/nodes/pve1/qemu/200/config",
        {"hostpci0": "0000:00:02.0"},
        200,
        *twice(500, "only root can set 'hostpci0' config for non-mapped devices"),
    ),
    (
        "PUT",
        "/nodes/pve1/qemu/200/config",
        {"usb0": "host=1234:5678"},
        200,
        *twice(500, "only root can set 'usb0' config for real devices"),
    ),
    (
        "PUT",
        "/nodes/pve1/qemu/200/config",
        {"serial0": "/dev/ttyS0"},
        200,
        *twice(500, "only root can modify 'serial0' config for real devices"),
    ),
    ("PUT", "/nodes/pve1/qemu/200/config", {"serial0": "socket"}, 200, (200, "OK"), (200, "OK")),
]


@pytest.fixture(scope="module")
def keyctl() -> Iterator[Lab]:
    with Lab() as running:
        yield running


@pytest.mark.parametrize(("method", "path", "params", "for_root", "for_token", "for_admin"), ROOT_ONLY)
def test_what_belongs_to_root(
    keyctl: Lab, method: str, path: str, params: dict[str, Any], for_root: int, for_token: Answer, for_admin: Answer
) -> None:
    for name, status, reason in (("root", for_root, None), ("root_token", *for_token), ("alice", *for_admin)):
        keyctl.reset()
        root = Client(keyctl)
        root.create(101, features="keyctl=1,nesting=1")
        root.data("POST", "/nodes/pve1/qemu", vmid=200)
        answer = Client(keyctl, name).call(method, path, **params)
        assert answer.status_code == status, f"{name}: {answer.text}"
        if status == 403:
            assert answer.reason == f"Permission check failed ({reason})"
        elif status == 500 and reason:
            assert answer.reason == reason


@pytest.mark.parametrize("name", ["root_token", "alice"])
@pytest.mark.parametrize("option", ["dumpdir", "script", "tmpdir"])
def test_backup_options_of_root(keyctl: Lab, name: str, option: str) -> None:
    answer = Client(keyctl, name).call("POST", "/nodes/pve1/vzdump", vmid=100, storage="local", **{option: "/tmp"})
    assert answer.json()["errors"] == {option: "Only root may set this option."}


def test_a_restore_keeps_keyctl_for_everybody(lab: Lab) -> None:
    root = Client(lab)
    root.create(101, features="keyctl=1,nesting=1")
    root.data("POST", "/nodes/pve1/vzdump", vmid=101, storage="local", compress="zstd")
    archive = next(volume.volid for volume in lab.state.volumes.values() if volume.content == "backup")
    for vmid, name in ((150, "root_token"), (151, "alice"), (152, "admin")):
        client = Client(lab, name)
        assert client.task("POST", "/nodes/pve1/lxc", vmid=vmid, ostemplate=archive, restore=1, storage="local") == "OK"
        assert root.data("GET", f"/nodes/pve1/lxc/{vmid}/config")["features"] == "keyctl=1,nesting=1"


def test_a_restore_of_what_only_root_may_configure(lab: Lab) -> None:
    root = Client(lab)
    root.create(101, unprivileged=0)
    root.create(102)
    root.data("PUT", "/nodes/pve1/lxc/102/config", mp0="/srv,mp=/srv")
    root.data("POST", "/nodes/pve1/vzdump", vmid="101,102", storage="local")
    archives = {volume.vmid: volume.volid for volume in lab.state.volumes.values() if volume.content == "backup"}
    admin = Client(lab, "admin")
    for vmid, why in (
        (101, "Permission check failed (/, Sys.Modify)"),
        (102, "restoring 'mp0' to bind mount is only possible for root"),
    ):
        assert admin.task("POST", "/nodes/pve1/lxc", vmid=200, ostemplate=archives[vmid], restore=1) == (
            f"unable to restore CT 200 - {why}"
        )


def test_a_bridge_needs_its_own_right(lab: Lab) -> None:
    root, weak = Client(lab), Client(lab, "vmadmin")
    root.create(100)
    path, net = "/nodes/pve1/lxc/100/config", "name=eth0,bridge=vmbr0"
    assert weak.call("PUT", path, net0=net).reason == "Permission check failed (/sdn/zones/localnetwork/vmbr0, SDN.Use)"
    assert weak.call("PUT", path, net0=net + ",tag=5").reason == (
        "Permission check failed (/sdn/zones/localnetwork/vmbr0/5, SDN.Use)"
    )
    root.data("PUT", "/access/acl", path="/sdn/zones/localnetwork/vmbr0", roles="PVESDNUser", users="operator@pve")
    weak.data("PUT", path, net0=net)


def test_logins(lab: Lab) -> None:
    client = Client(lab)
    wrong = client.call("POST", "/access/ticket", username="root@pam", password="wrong")
    assert (wrong.status_code, wrong.reason) == (401, "authentication failure")
    assert wrong.json() == {"data": None, "message": "authentication failure\n"}
    client.session.headers["CSRFPreventionToken"] = "x"
    unsigned = client.call("POST", "/pools", poolid="p9")
    assert (unsigned.status_code, unsigned.reason, unsigned.content) == (
        401,
        "Permission denied - invalid csrf token",
        b"",
    )
    client.session.cookies.clear()
    assert client.call("GET", "/nodes").reason == "No ticket"
    for token in ("root@pam!nope=x", "root@pam!full=x", "ghost@pve!x=x", "garbage"):
        client.session.headers["Authorization"] = f"PVEAPIToken={token}"
        assert client.call("GET", "/version").reason == "Authentication failed!"


def test_a_token_cannot_change_a_password(lab: Lab) -> None:
    answer = Client(lab, "root_token").call("PUT", "/access/password", userid="alice@pve", password="lab-new-password")
    text = "Permission check failed (URI '/access/password' not available with API token, need proper ticket."
    assert (answer.status_code, answer.reason) == (403, text)
