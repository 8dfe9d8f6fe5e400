# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A lab for each test, a client that speaks to it as one of its credentials, and a clock that the test sets."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import pytest
import requests

from tests.lab import Lab

TEMPLATE = "local:vztmpl/alpine-3.20-default_20240606_amd64.tar.gz"


#: as long as nothing else here takes, however slow the machine is
LONG = 600.0
Wait = Callable[[float], None]


@pytest.fixture
def wait(monkeypatch: pytest.MonkeyPatch) -> Wait:
    """Moves the lab's clock instead of sleeping: what takes long has not ended before, and has ended after it."""
    clock, waited = time.time, [0.0]
    monkeypatch.setattr(time, "time", lambda: clock() + sum(waited))
    return waited.append


class Client:
    """Sends requests with a credential of the lab; `call` gives the whole answer, the verbs give its data."""

    def __init__(self, lab: Lab, name: str = "root") -> None:
        self.lab = lab
        self.base = f"https://{lab.host}:{lab.port}/api2/json"
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.verify = lab.ca_path
        credential = lab.credentials[name]
        if "api_token_id" in credential:
            token = f"{credential['api_token_id']}={credential['api_token_secret']}"
            self.session.headers["Authorization"] = f"PVEAPIToken={token}"
        else:
            self._login(credential)

    def _login(self, credential: dict[str, str]) -> None:
        data = {"username": credential["api_user"], "password": credential["api_password"]}
        ticket = self.session.post(f"{self.base}/access/ticket", data=data).json()["data"]
        self.session.cookies.set("PVEAuthCookie", quote(ticket["ticket"], safe=""))
        self.session.headers["CSRFPreventionToken"] = ticket["CSRFPreventionToken"]

    def call(self, method: str, path: str, /, **params: Any) -> requests.Response:
        if method in ("GET", "DELETE"):
            return self.session.request(method, self.base + path, params=params)
        return self.session.request(method, self.base + path, data=params)

    def data(self, method: str, path: str, /, **params: Any) -> Any:
        answer = self.call(method, path, **params)
        assert answer.status_code == 200, f"{method} {path}: {answer.status_code} {answer.reason} {answer.text}"
        return answer.json()["data"]

    def end(self, upid: str) -> str:
        """How a task ended."""
        node = upid.split(":")[1]
        return str(self.data("GET", f"/nodes/{node}/tasks/{upid}/status").get("exitstatus", "running"))

    def task(self, method: str, path: str, /, **params: Any) -> str:
        return self.end(self.data(method, path, **params))

    def create(self, vmid: int, **params: Any) -> None:
        defaults = {"ostemplate": TEMPLATE, "rootfs": "local-zfs:1", "net0": "name=eth0,bridge=vmbr0,ip=dhcp"}
        assert self.task("POST", "/nodes/pve1/lxc", vmid=vmid, **{**defaults, **params}) == "OK"

    def create_vm(self, vmid: int, **params: Any) -> None:
        defaults = {"scsi0": "local-zfs:1", "net0": "virtio,bridge=vmbr0", "name": f"vm{vmid}"}
        assert self.task("POST", "/nodes/pve1/qemu", vmid=vmid, **{**defaults, **params}) == "OK"

    def config(self, guest: str, node: str = "pve1") -> dict[str, Any]:
        """The configuration of qemu/100 or lxc/100."""
        found: dict[str, Any] = self.data("GET", f"/nodes/{node}/{guest}/config")
        return found

    def power(self, guest: str, verb: str, node: str = "pve1", **params: Any) -> str:
        return self.task("POST", f"/nodes/{node}/{guest}/status/{verb}", **params)

    def status(self, guest: str, node: str = "pve1") -> dict[str, Any]:
        found: dict[str, Any] = self.data("GET", f"/nodes/{node}/{guest}/status/current")
        return found

    def volids(self, storage: str, node: str = "pve1", **params: Any) -> list[str]:
        entries = self.data("GET", f"/nodes/{node}/storage/{storage}/content", **params)
        return sorted(entry["volid"] for entry in entries)

    def refusal(self, method: str, path: str, /, **params: Any) -> str:
        """Why it is refused: the reason, or the errors of the parameters."""
        answer = self.call(method, path, **params)
        assert answer.status_code >= 400, answer.text
        return str(answer.json().get("errors") or answer.reason)


@pytest.fixture
def lab() -> Iterator[Lab]:
    with Lab() as running:
        yield running


@pytest.fixture
def root(lab: Lab) -> Client:
    return Client(lab)


@pytest.fixture
def admin(lab: Lab) -> Client:
    return Client(lab, "admin")
