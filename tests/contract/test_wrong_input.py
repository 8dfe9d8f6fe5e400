# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Wrong input and a broken way to the server: each gives one clear message, and nothing is sent twice."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.contract.harness import Site
from tests.contract.scenarios import SEED, TEMPLATE
from tests.contract.test_failures import START, says
from tests.lab import Lab
from tests.node.ports import reserved

MADE = {"vmid": 500, "node": "pve1", "source": {"template": TEMPLATE}, "rootfs": {"storage": "local-zfs"}}


def archive(**selector: Any) -> dict[str, Any]:
    return {**MADE, "source": {"archive": {"storage": "local", **selector}}}


def net(**nic: Any) -> dict[str, Any]:
    return {"vmid": 210, "net": [{"slot": "net0", **nic}]}


WRONG: dict[str, tuple[str, dict[str, Any], tuple[str, ...]]] = {
    "unknown storage": ("lxc", {**MADE, "rootfs": {"storage": "nope"}}, ("rootfs.storage", "'nope'", "local-zfs")),
    "storage for something else": ("lxc", {**MADE, "rootfs": {"storage": "nas"}}, ("nas", "not rootdir")),
    "no storage": ("lxc", {**MADE, "rootfs": None}, ("rootfs.storage is needed",)),
    "missing template": ("lxc", {**MADE, "source": {"template": "local:vztmpl/no.tar.gz"}}, ("no.tar.gz", TEMPLATE)),
    "missing archive by name": ("lxc", archive(name="nope"), ("No backup", "storage 'local'", "nope")),
    "missing archive by volid": (
        "lxc",
        archive(volid="local:backup/vzdump-lxc-1-x.tar"),
        ("No backup", "vzdump-lxc-1"),
    ),
    "archive without a choice": ("lxc", {**MADE, "source": {"archive": {"name": "x"}}}, ("source.archive", "storage")),
    "no source": ("lxc", {"vmid": 500, "node": "pve1"}, ("lxc/500 does not exist", "source")),
    "vmid too small": ("lxc", {"vmid": 99}, ("vmid", "99", "between 100 and 999999999")),
    "vmid too large": ("snapshot", {"vmid": 10**9, "snapshot": "s1"}, ("1000000000", "between 100 and 999999999")),
    "unknown node": ("lxc", {**MADE, "node": "pve9"}, ("node", "'pve9'", "pve1, pve2, pve3")),
    "wrong node": ("lxc", {"vmid": 210, "node": "pve2"}, ("lxc/210 is on node pve1, not on pve2",)),
    "node name": ("lxc", {"vmid": 210, "node": "pve1/../x"}, ("node", "letters, digits")),
    "slot": ("lxc", {"vmid": 210, "net": [{"slot": "net99"}]}, ("net.slot", "net99", "net0 to net31")),
    "comma in a property": ("lxc", net(ip="10.0.0.1/24,gw=10.0.0.2"), ("net0.ip", "comma")),
    "equals in a property": ("lxc", net(bridge="vmbr0=x"), ("net0.bridge", "equals")),
    "mac": ("lxc", net(hwaddr="01:00:00:00:00:01"), ("net0.hwaddr", "unicast MAC")),
    "size": ("lxc", {"vmid": 210, "rootfs": {"size": "many"}}, ("rootfs.size", "'many' is not a size")),
    "shrink": ("lxc", {"vmid": 210, "rootfs": {"size": "1G"}}, ("rootfs.size", "it is 4G", "cannot shrink")),
    "move to nowhere": (
        "lxc",
        {"vmid": 210, "rootfs": {"storage": "nope"}},
        ("rootfs.storage", "'nope' does not exist"),
    ),
    "mount without a path": ("lxc", {"vmid": 210, "mounts": [{"slot": "mp0", "storage": "local"}]}, ("mp0.mp",)),
    "delete what it cannot be without": ("lxc", {"vmid": 210, "delete": ["rootfs"]}, ("rootfs", "cannot be without")),
    "set at creation": ("lxc", {"vmid": 210, "unprivileged": False}, ("unprivileged", "only be set at creation")),
    "control characters in a name": ("lxc", {"vmid": 210, "name": "a\x07b"}, ("name", "DNS name")),
    "control characters in notes": ("lxc", {"vmid": 210, "description": "a\x00b"}, ("description", "control")),
    "control characters in a property": ("lxc", net(bridge="vmbr0\n"), ("net0.bridge", "control characters")),
    "control characters in a path": ("api", {"path": "/nodes/pve1\r\nX: y"}, ("cannot be part of an API path",)),
    "path with a query": ("api", {"path": "/nodes?x=1"}, ("parameters belong into data",)),
    "path that goes up": ("api", {"path": "/nodes/../access"}, ("'..'", "cannot be part of an API path")),
    "unknown path": ("api", {"path": "/nope"}, ("GET /nope", "501")),
    "snapshot name": ("snapshot", {"vmid": 210, "snapshot": "-x"}, ("snapshot", "2 to 40 letters")),
    "reserved snapshot": ("snapshot", {"vmid": 210, "snapshot": "current"}, ("reserved",)),
    "guest that is not there": ("snapshot", {"vmid": 999, "snapshot": "s1"}, ("999", "exist")),
    "a template of vzdump": ("backup", {"vmid": 210, "storage": "local", "name": "{{guestname}}"}, ("name", "{{")),
    "age": ("backup", {"vmid": 210, "storage": "local", "max_age": "soon"}, ("max_age", "'soon'", "7d")),
    "keep nothing": ("backup", {"vmid": 210, "storage": "local", "state": "pruned", "keep": {"last": 0}}, ("keep",)),
    "volid": ("backup", {"vmid": 210, "storage": "local", "state": "absent", "volid": "x"}, ("volid", "STORAGE:PATH")),
    "unknown user": (
        "acl",
        {"path": "/vms/100", "type": "user", "ugid": "no@pve", "roleid": "PVEAuditor"},
        ("no@pve",),
    ),
    "acl path": ("acl", {"path": "/nope/x", "type": "user", "ugid": "alice@pve", "roleid": "PVEAuditor"}, ("/nope/x",)),
    "alias name": ("firewall_alias", {"name": "1x", "cidr": "10.0.0.1"}, ("name", "begins with a letter")),
    "cidr": ("firewall_alias", {"name": "ok", "cidr": "300.0.0.1"}, ("cidr",)),
    "upid": ("task_info", {"upid": "UPID:x"}, ("not a UPID",)),
    "no upid": ("task_info", {}, ("Neither upid nor node",)),
}
#: only the server knows that these are wrong; it is asked, and refuses
SERVER_SAYS = {"unknown user", "acl path", "cidr"}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_input_is_told_and_nothing_is_sent(site: Site, name: str) -> None:
    module, options, words = WRONG[name]
    before = site.picture
    given = {key: value for key, value in options.items() if value is not None}
    result = site.run(identity="root_token").task(module, given)
    says(result, *words)
    assert "Traceback" not in result["msg"]
    assert len(result["msg"]) < 700
    assert site.picture == before
    assert (site.writes == []) == (name not in SERVER_SAYS)


# -- who and where -----------------------------------------------------------------------------------------------------


def read(site: Site, **connection: Any) -> dict[str, Any]:
    return site.run().task("api", {"path": "/version", **connection})


CREDENTIALS: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "wrong secret": (
        {"api_token_secret": "00000000-0000-4000-8000-0badbadbad00"},
        ("automation@pve!ansible", "not accepted"),
    ),
    "unknown token": ({"api_token_id": "automation@pve!nope"}, ("automation@pve!nope", "not accepted", "api_token_id")),
    "token of somebody else": ({"api_user": "root@pam"}, ("'root@pam' is not the owner",)),
    "user without realm": ({"api_user": "root", "api_token_id": None}, ("'root' has no realm", "root@pam")),
    "no host": ({"api_host": []}, ("api_host is not set", "PROXMOX_HOST")),
    "a URL as host": ({"api_host": ["https://pve1"]}, ("api_host", "without https://")),
    "no secret": ({"api_token_secret": None}, ("api_token_secret is not set",)),
    "not a fingerprint": ({"fingerprint": "AB:CD"}, ("fingerprint", "64 hexadecimal digits")),
}


@pytest.mark.parametrize("name", CREDENTIALS)
def test_a_wrong_credential_is_told(site: Site, name: str) -> None:
    connection, words = CREDENTIALS[name]
    result = read(site, **connection)
    says(result, *words)
    assert [secret for secret in site.secrets if secret in result["msg"]] == []


def test_a_wrong_password_is_told_and_not_shown(site: Site) -> None:
    for password, identity in (("not-it-at-all", "alice"), ("not-it-at-all", "root")):
        result = site.run(identity=identity).task("api", {"path": "/version", "api_password": password})
        says(result, "was not accepted", "api_password")
        assert password not in str(result)


def test_a_password_opens_a_session_that_can_write(site: Site) -> None:
    run = site.run(identity="alice")
    assert run.done("lxc", {"vmid": 210, "cores": 2})["changed"]
    assert not run.done("lxc", {"vmid": 210, "cores": 2})["changed"]


def test_a_wrong_fingerprint_shows_the_one_that_was_seen(site: Site) -> None:
    result = read(site, fingerprint="AB" * 32)
    says(result, "another certificate than the pinned one", site.lab.fingerprint)
    assert site.lab.requests == [], "the token was shown to somebody else"
    assert not read(site, fingerprint=site.lab.fingerprint, ca_path=None).get("failed")
    assert not read(site, fingerprint=site.lab.fingerprint.replace(":", "").lower(), ca_path=None).get("failed")


def test_a_password_is_not_shown_to_an_unpinned_server(site: Site) -> None:
    result = site.run(identity="root").task("api", {"path": "/version", "fingerprint": "AB" * 32})
    says(result, "another certificate", site.lab.fingerprint)
    assert site.lab.requests == []


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_an_unknown_authority_is_refused_unless_told(site: Site) -> None:
    says(read(site, ca_path=None), "is not trusted", "ca_path", "fingerprint")
    assert not read(site, ca_path=None, validate_certs=False).get("failed")


def test_a_ca_file_that_is_missing_is_told(site: Site) -> None:
    says(read(site, ca_path="/no/such/ca.pem"), "/no/such/ca.pem")


@pytest.fixture
def dead_port() -> Iterator[int]:
    """It is kept, so that nobody else listens there meanwhile."""
    with reserved() as kept:
        yield kept.getsockname()[1]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pauses between tries: what is tried is tested, not how long it takes."""
    session = "ansible_collections.steward.proxmox.plugins.module_utils._session"
    monkeypatch.setattr(f"{session}._GET_PAUSES", (0.01, 0.01))


@pytest.mark.usefixtures("quick")
def test_a_dead_host_is_told(site: Site, dead_port: int) -> None:
    says(read(site, api_port=dead_port), "GET /version", "no node answered", "127.0.0.1", "refused", "api_host")


@pytest.mark.usefixtures("quick")
def test_a_name_that_does_not_resolve_is_told(site: Site) -> None:
    says(read(site, api_host=["no-such-node.invalid"]), "no node answered", "no-such-node.invalid")


@pytest.mark.usefixtures("quick")
def test_the_next_node_is_tried_when_one_is_down(site: Site) -> None:
    hosts = {"api_host": ["no-such-node.invalid", site.lab.host]}
    assert not read(site, **hosts).get("failed")
    assert site.run().done("lxc", {"vmid": 210, "node": "pve1", "cores": 2, **hosts})["changed"]
    assert len(site.writes) == 1


@pytest.mark.usefixtures("quick")
def test_a_lab_that_is_killed_in_the_middle_of_a_task_leaves_an_unknown_outcome() -> None:
    lab = Lab(seed=SEED).__enter__()
    site = Site(lab)
    lab.fault(path=r"/status/start$", task_seconds=30)

    def kill() -> None:
        while not any(entry["path"].endswith("/status/start") for entry in list(lab.requests)):
            time.sleep(0.005)
        lab.__exit__()

    killer = threading.Thread(target=kill)
    killer.start()
    result = site.run().task("lxc", {**START, "connect_timeout": 5, "api_timeout": 10})
    killer.join()
    says(result, "no node answered", "UPID:pve1:", "how it ended is unknown", "task log of the node")
    (step,) = result["plan"]["steps"]
    assert step["status"] == "unknown", "the task may have gone on"
    assert result["changed"]


# -- a connection that breaks ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.usefixtures("quick")
def test_a_write_whose_answer_is_lost_is_not_sent_again(site: Site, when: str) -> None:
    site.lab.fault(method="POST", path=r"/status/start$", drop=when)
    result = site.run().task("lxc", START)
    says(result, "POST /nodes/pve1/lxc/213/status/start", "lost before the answer came", "task log of the node")
    assert [step["status"] for step in result["plan"]["steps"]] == ["unknown"]
    assert len(site.writes) == 1
    assert result["changed"], "it may have been done"


@pytest.mark.usefixtures("quick")
def test_a_write_without_an_answer_in_time_is_not_sent_again(site: Site) -> None:
    site.lab.fault(method="POST", path=r"/status/start$", delay=2)
    result = site.run().task("lxc", {**START, "api_timeout": 1})
    says(result, "no answer from 127.0.0.1 within 1 seconds", "api_timeout")
    assert [step["status"] for step in result["plan"]["steps"]] == ["unknown"]


@pytest.mark.parametrize("fault", [{"status": 503}, {"status": 595}, {"drop": "before"}, {"drop": "after"}])
@pytest.mark.usefixtures("quick")
def test_a_read_is_tried_again(site: Site, fault: dict[str, Any]) -> None:
    site.lab.fault(method="GET", path=r"/version$", **fault)
    assert not read(site).get("failed")


@pytest.mark.usefixtures("quick")
def test_a_read_that_never_works_is_told(site: Site) -> None:
    site.lab.fault(method="GET", path=r"/version$", status=595, reason="No route to host", count=99)
    says(read(site), "GET /version", "595", "did not answer", "node is online")


@pytest.mark.usefixtures("quick")
def test_a_write_that_did_not_reach_its_node_is_sent_again(site: Site) -> None:
    site.lab.fault(method="POST", path=r"/status/start$", status=595, reason="No route to host")
    assert site.run().done("lxc", START)["changed"]
    assert site.writes == ["POST /nodes/pve1/lxc/213/status/start"] * 2


@pytest.mark.usefixtures("quick")
def test_a_write_behind_a_gateway_that_failed_is_not_sent_again(site: Site) -> None:
    site.lab.fault(method="POST", path=r"/status/start$", status=503, reason="Service Unavailable")
    result = site.run().task("lxc", START)
    says(result, "POST /nodes/pve1/lxc/213/status/start", "503")
    assert len(site.writes) == 1


def test_proxmox_own_words_arrive(site: Site) -> None:
    """Its message is in the body where the reason line says less."""
    result = site.run().task("api", {"path": "/pools", "method": "post", "data": {"poolid": "a b"}})
    says(result, "POST /pools was refused with 400", "poolid")
