# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lab in a test's own process: quick, verified by certificate, and silent about secrets."""

from __future__ import annotations

import hashlib
import json
import ssl
import time
from pathlib import Path

import pytest
import requests

from tests.lab import Lab
from tests.lab.call import HANDLERS
from tests.lab.schema import endpoint
from tests.lab.state import merge

from .conftest import LONG, TEMPLATE, Client, Wait


def test_it_starts_quickly() -> None:
    with Lab():
        pass
    began = time.monotonic()
    with Lab() as lab:
        assert lab.port
        started = time.monotonic() - began
    assert started < 10


def test_the_fingerprint_is_that_of_the_served_certificate(lab: Lab) -> None:
    pem = ssl.get_server_certificate((lab.host, lab.port), ca_certs=lab.ca_path)
    digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest().upper()
    assert lab.fingerprint.replace(":", "") == digest
    assert lab.fingerprint.count(":") == 31


def test_another_ca_does_not_open_it(lab: Lab) -> None:
    with Lab() as other:
        session = requests.Session()
        session.trust_env = False
        with pytest.raises(requests.exceptions.SSLError):
            session.get(f"https://{lab.host}:{lab.port}/api2/json/version", verify=other.ca_path)


def test_requests_and_writes(lab: Lab, root: Client) -> None:
    root.create(100)
    root.data("GET", "/nodes/pve1/lxc/100/config", current=1)
    last = lab.requests[-1]
    assert (last["user"], last["method"], last["path"], last["params"], last["status"]) == (
        "root@pam",
        "GET",
        "/nodes/pve1/lxc/100/config",
        {"current": "1"},
        200,
    )
    assert [(entry["method"], entry["path"]) for entry in lab.writes] == [("POST", "/nodes/pve1/lxc")]
    logged = [json.loads(line) for line in lab.log.read_text(encoding="utf-8").splitlines()]
    assert logged == lab.requests
    lab.reset()
    assert (lab.requests, lab.writes, lab.log.read_text(encoding="utf-8")) == ([], [], "")
    assert root.data("GET", "/nodes/pve1/lxc") == []


def test_no_secret_reaches_the_log_or_the_answers(lab: Lab, root: Client) -> None:
    root.create(100, password="s3cret-of-root", **{"ssh-public-keys": "ssh-ed25519 AAAAC3 k3y-of-mine"})
    root.data("POST", "/nodes/pve1/qemu", vmid=200, cipassword="s3cret-of-init", ciuser="me")
    root.data("POST", "/access/users", userid="eve@pve", password="s3cret-of-eve")
    assert root.data("GET", "/nodes/pve1/qemu/200/config")["cipassword"] == "**********"
    everything = lab.log.read_text(encoding="utf-8") + repr(lab.state.guests) + repr(lab.app.tasks.all)
    for path in ("/nodes/pve1/lxc/100/config", "/access/users", "/nodes/pve1/tasks"):
        everything += root.call("GET", path).text
    for secret in ("s3cret-of-root", "s3cret-of-init", "s3cret-of-eve", "lab-root-password"):
        assert secret not in everything


def test_a_write_as_json(lab: Lab, root: Client) -> None:
    answer = root.session.post(
        f"{root.base}/nodes/pve1/lxc", json={"vmid": 100, "ostemplate": TEMPLATE, "onboot": True, "cores": 2}
    )
    assert answer.status_code == 200, answer.text
    config = root.data("GET", "/nodes/pve1/lxc/100/config")
    assert (config["onboot"], config["cores"]) == (1, 2)


def test_what_is_unknown_and_what_is_not_served(root: Client) -> None:
    unknown = root.call("GET", "/nope")
    assert (unknown.status_code, unknown.reason) == (501, "Method 'GET /nope' not implemented")
    assert unknown.json() == {"data": None, "message": "Method 'GET /nope' not implemented"}
    other = root.call("GET", "/cluster/acme/plugins")
    assert (other.status_code, other.reason) == (501, "Method 'GET /cluster/acme/plugins' is not served by the lab")


def test_a_reason_may_hold_any_letter(root: Client) -> None:
    answer = root.call("GET", "/storage/größe")
    assert answer.status_code == 400
    assert "größe" in answer.json()["errors"]["storage"]


@pytest.mark.parametrize(("method", "path"), sorted(HANDLERS))
def test_every_handler_is_of_a_described_path(method: str, path: str) -> None:
    assert endpoint(method, path)


def test_a_seed_is_laid_over() -> None:
    base = {"a": {"x": 1, "y": 2}, "b": [1]}
    over = {"a": {"y": None, "z": {"q": None, "r": 1}}, "b": [2]}
    assert merge(base, over) == {"a": {"x": 1, "z": {"r": 1}}, "b": [2]}
    assert base == {"a": {"x": 1, "y": 2}, "b": [1]}


def test_resources_can_be_old(wait: Wait) -> None:
    with Lab({"statistics_seconds": LONG}) as lab:
        client = Client(lab)
        client.data("GET", "/cluster/resources")
        client.create(100)
        entry = {"id": "lxc/100", "type": "lxc", "vmid": 100, "node": "pve1", "status": "unknown"}
        assert client.data("GET", "/cluster/resources", type="vm") == [entry]
        wait(LONG)
        assert client.data("GET", "/cluster/resources", type="vm")[0]["status"] == "stopped"
        client.data("POST", "/nodes/pve1/lxc/100/status/start")
        assert client.data("GET", "/cluster/resources", type="vm")[0]["status"] == "stopped"
        assert client.data("GET", "/nodes/pve1/lxc/100/status/current")["status"] == "running"


def test_a_seeded_guest(tmp_path: Path) -> None:
    guest = {
        "node": "pve2",
        "running": True,
        "config": {"hostname": "web", "memory": 512, "cores": 1, "rootfs": "local-zfs:subvol-105-disk-0,size=8G"},
        "disks": {"local-zfs:subvol-105-disk-0": 8 << 30},
    }
    with Lab({"guests": {105: guest}}, directory=tmp_path) as lab:
        seen = Client(lab).data("GET", "/nodes/pve2/lxc/105/status/current")
    assert (seen["name"], seen["status"], seen["maxdisk"]) == ("web", "running", 8 << 30)
