# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The session over real HTTPS: who it is, whom it trusts, what it sends again and what it never sends twice."""

import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils import _session
from ansible_collections.steward.proxmox.plugins.module_utils._connection import resolve
from ansible_collections.steward.proxmox.plugins.module_utils._errors import (
    ApiError,
    AuthenticationFailed,
    BadInput,
    Locked,
    NotFound,
    OutcomeUnknown,
    PermissionDenied,
    Unreachable,
)
from ansible_collections.steward.proxmox.plugins.module_utils._session import Session, open_session
from ansible_collections.steward.proxmox.plugins.module_utils._task import is_upid

from tests.lab import Lab
from tests.unit.engine.fakes import Clock

SEED = {
    "guests": {
        100: {
            "kind": "lxc",
            "node": "pve1",
            "config": {"hostname": "web"},
            "disks": {"local-zfs:subvol-100-disk-0": 4 << 30},
        }
    }
}
GUEST = "/nodes/pve1/lxc/100"
DEAD = "127.0.0.2"  # nothing listens there
NOT_PINNED = "AB" * 32


@pytest.fixture(scope="module")
def running() -> Iterator[Lab]:
    with Lab(seed=SEED) as lab:
        yield lab


@pytest.fixture
def lab(running: Lab) -> Lab:
    running.reset()
    return running


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The session's pauses take no time."""
    clock = Clock()
    monkeypatch.setattr(_session, "time", SimpleNamespace(sleep=clock.sleep, monotonic=clock))
    return clock


def session(lab: Lab, credential: str = "admin", lock_timeout: float = 60, **options: Any) -> Session:
    given: dict[str, Any] = {"api_host": [lab.host], "api_port": lab.port, "ca_path": lab.ca_path}
    return Session(resolve({**given, **lab.credentials[credential], **options}), lock_timeout=lock_timeout)


def sent(lab: Lab, method: str) -> list[str]:
    return [entry["path"] for entry in lab.requests if entry["method"] == method]


# -- who ---------------------------------------------------------------------------------------------------------------


def test_a_token_reads_and_writes_without_logging_in(lab: Lab) -> None:
    api = session(lab)
    assert api.identity == "automation@pve!ansible"
    assert api.get(f"{GUEST}/config")["hostname"] == "web"
    assert is_upid(api.send("POST", f"{GUEST}/status/start"))
    assert "/access/ticket" not in sent(lab, "POST")


def test_a_token_named_in_api_user(lab: Lab) -> None:
    secret = lab.credentials["admin"]["api_token_secret"]
    given: dict[str, Any] = {"api_user": "automation@pve!ansible", "api_token_id": None, "api_token_secret": secret}
    assert session(lab, **given).get(f"{GUEST}/config")["hostname"] == "web"


def test_a_password_logs_in_once_and_its_writes_carry_the_csrf_token(lab: Lab) -> None:
    api = session(lab, "alice")
    assert api.identity == "alice@pve"
    api.get("/version")
    assert is_upid(api.send("POST", f"{GUEST}/status/start"))
    assert sent(lab, "POST") == ["/access/ticket", f"{GUEST}/status/start"]


@pytest.mark.parametrize("wrong", [{"api_token_secret": "hunter2"}, {"api_token_id": "eve@pve!x"}], ids=str)
def test_a_wrong_token_is_named_and_its_secret_is_not(lab: Lab, wrong: dict[str, str]) -> None:
    options: dict[str, Any] = {**lab.credentials["admin"], **wrong, "api_user": None}
    with pytest.raises(AuthenticationFailed, match="was not accepted: Authentication failed!") as caught:
        session(lab, **options).get("/version")
    assert options["api_token_id"] in str(caught.value)
    assert options["api_token_secret"] not in str(caught.value)


def test_a_wrong_password_is_named_and_not_shown(lab: Lab) -> None:
    with pytest.raises(AuthenticationFailed, match="alice@pve was not accepted: authentication failure") as caught:
        session(lab, "alice", api_password="hunter2").get("/version")
    assert "hunter2" not in str(caught.value)


def test_refusals_are_translated_with_the_identity_of_the_session(lab: Lab) -> None:
    with pytest.raises(PermissionDenied, match=r"nobody@pve!nothing needs VM.Audit on /vms/100: pveum role add"):
        session(lab, "nothing").get(f"{GUEST}/config")
    with pytest.raises(NotFound, match=r"GET /nodes/pve1/lxc/999/config was refused with 500: .*does not exist"):
        session(lab).get("/nodes/pve1/lxc/999/config")
    with pytest.raises(ApiError, match="bogus: property is not defined in schema"):
        session(lab).send("PUT", f"{GUEST}/config", {"bogus": 1})


# -- whom it trusts ----------------------------------------------------------------------------------------------------

LOGINS = ["admin", "alice"]  # a token, a password


@pytest.mark.parametrize("credential", LOGINS)
def test_a_ca_is_trusted(lab: Lab, credential: str) -> None:
    assert session(lab, credential, ca_path=lab.ca_path).get("/version")["version"]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("credential", LOGINS)
def test_a_pinned_fingerprint_is_trusted_without_a_ca(lab: Lab, credential: str) -> None:
    for form in (lab.fingerprint, lab.fingerprint.replace(":", "").lower()):
        assert session(lab, credential, ca_path=None, fingerprint=form).get("/version")["version"]


@pytest.mark.parametrize("credential", LOGINS)
@pytest.mark.parametrize("more", [{}, {"validate_certs": False}])
def test_another_fingerprint_is_refused_and_the_one_that_was_seen_is_shown(
    lab: Lab, credential: str, more: dict[str, Any]
) -> None:
    with pytest.raises(AuthenticationFailed, match="another certificate than the pinned one") as caught:
        session(lab, credential, ca_path=None, fingerprint=NOT_PINNED, **more).get("/version")
    assert lab.fingerprint in str(caught.value)
    assert lab.requests == []


@pytest.mark.parametrize("credential", LOGINS)
def test_an_unknown_certificate_is_refused_before_anything_is_sent(lab: Lab, credential: str) -> None:
    with pytest.raises(AuthenticationFailed, match=r"is not trusted: .*certificate verify failed.*Set ca_path") as seen:
        session(lab, credential, ca_path=None).get("/version")
    assert lab.host in str(seen.value)
    assert lab.requests == []


@pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning")
@pytest.mark.parametrize("credential", LOGINS)
def test_verification_can_be_turned_off(lab: Lab, credential: str) -> None:
    assert session(lab, credential, ca_path=None, validate_certs=False).get("/version")["version"]


@pytest.mark.parametrize("credential", LOGINS)
def test_a_bundle_or_proxy_of_the_environment_does_not_decide(
    lab: Lab, credential: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.setenv(name, lab.ca_path)
    with pytest.raises(AuthenticationFailed, match="not trusted"):
        session(lab, credential, ca_path=None).get("/version")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nonexistent")
    monkeypatch.setenv("HTTPS_PROXY", f"http://{DEAD}:9")
    assert session(lab, credential).get("/version")["version"]


def test_a_ca_path_that_does_not_exist_is_named() -> None:
    options = {"api_host": ["pve1"], "api_user": "a@pve", "api_password": "x", "ca_path": "/nonexistent/ca.pem"}
    with pytest.raises(BadInput, match=r"ca_path '/nonexistent/ca.pem' does not exist"):
        Session(resolve(options))


# -- which node --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("credential", LOGINS)
def test_the_next_host_is_tried_and_then_kept(lab: Lab, credential: str, clock: Clock) -> None:
    api = session(lab, credential, api_host=[DEAD, lab.host])
    assert api.get("/version")["version"]
    assert api._hosts == [lab.host, DEAD]
    assert is_upid(api.send("POST", f"{GUEST}/status/start"))
    assert clock.naps == []


def test_a_write_fails_over_too_because_it_was_not_sent(lab: Lab, clock: Clock) -> None:
    assert is_upid(session(lab, api_host=[DEAD, lab.host]).send("POST", f"{GUEST}/status/start"))
    assert len(lab.writes) == 1


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_when_no_host_answers_each_is_named_with_its_reason(lab: Lab, clock: Clock, method: str) -> None:
    api = session(lab, api_host=[DEAD, "127.0.0.3"])
    with pytest.raises(Unreachable) as caught:
        api.get("/version") if method == "GET" else api.send("POST", "/x")
    for host in (DEAD, "127.0.0.3"):
        assert f"{host}: " in str(caught.value)
    assert "Connection refused" in str(caught.value)
    assert len(clock.naps) == 4


def test_a_name_that_does_not_resolve_is_a_dead_host(lab: Lab, clock: Clock) -> None:
    assert session(lab, api_host=["no-such-host.invalid", lab.host]).get("/version")["version"]


class Elsewhere(BaseHTTPRequestHandler):
    """A web server that is not Proxmox."""

    def do_GET(self) -> None:
        body = b"<html>Welcome</html>"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: Any) -> None:
        return


@pytest.fixture
def web() -> Iterator[HTTPServer]:
    with HTTPServer(("127.0.0.1", 0), Elsewhere) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_web_page_is_not_data(lab: Lab, web: HTTPServer) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(Path(lab.directory) / "leaf.pem")
    web.socket = context.wrap_socket(web.socket, server_side=True)
    with pytest.raises(ApiError, match=r"did not answer as Proxmox does.*Check api_host and api_port"):
        session(lab, api_port=web.server_port).get("/version")


def test_a_port_without_tls_is_not_called_an_untrusted_certificate(lab: Lab, web: HTTPServer, clock: Clock) -> None:
    with pytest.raises(Unreachable, match="no node answered"):
        session(lab, api_port=web.server_port).get("/version")


# -- what is sent again ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [{"drop": "before"}, {"drop": "after"}, {"status": 503}, {"status": 502}, {"status": 595}, {"status": 596}],
    ids=str,
)
def test_a_read_is_repeated_after_a_lost_connection_or_a_gateway_error(
    lab: Lab, clock: Clock, fault: dict[str, Any]
) -> None:
    lab.fault(method="GET", path=r"/config$", count=2, **fault)
    assert session(lab).get(f"{GUEST}/config")["hostname"] == "web"
    assert len(clock.naps) == 2
    assert clock.naps == sorted(clock.naps)


def test_a_read_is_given_up_after_a_while(lab: Lab, clock: Clock) -> None:
    lab.fault(method="GET", path=r"/config$", count=99, status=503, reason="busy")
    with pytest.raises(Unreachable, match="busy"):
        session(lab).get(f"{GUEST}/config")
    assert len(sent(lab, "GET")) == 5
    assert 3 < clock.now < 10


def test_a_read_that_is_refused_is_not_repeated(lab: Lab, clock: Clock) -> None:
    lab.fault(method="GET", path=r"/config$", count=99, status=500, reason="internal confusion")
    with pytest.raises(ApiError, match="internal confusion"):
        session(lab).get(f"{GUEST}/config")
    assert len(sent(lab, "GET")) == 1


def test_a_read_that_does_not_come_in_time_is_repeated(lab: Lab, clock: Clock) -> None:
    lab.fault(method="GET", path=r"/config$", count=1, delay=1.5)
    assert session(lab, api_timeout=1).get(f"{GUEST}/config")["hostname"] == "web"
    assert len(clock.naps) == 1


@pytest.mark.parametrize("drop", ["before", "after"])
def test_a_write_whose_answer_is_lost_is_not_repeated(lab: Lab, clock: Clock, drop: str) -> None:
    api = session(lab)
    api.get("/version")
    lab.fault(method="POST", path=r"/status/start$", count=1, drop=drop)
    with pytest.raises(OutcomeUnknown, match=r"lost before the answer came.*Look at the task log"):
        api.send("POST", f"{GUEST}/status/start")
    assert len(lab.writes) == 1
    assert clock.naps == []


def test_a_write_that_is_not_answered_in_time_is_not_repeated(lab: Lab, clock: Clock) -> None:
    lab.fault(method="POST", path=r"/status/start$", count=1, delay=1.5)
    with pytest.raises(OutcomeUnknown, match=r"no answer from 127.0.0.1 within 1 seconds \(api_timeout\)"):
        session(lab, api_timeout=1).send("POST", f"{GUEST}/status/start")
    assert len(lab.writes) <= 1


@pytest.mark.parametrize("status", [502, 503, 504, 596])
def test_a_write_that_a_gateway_lost_is_not_repeated(lab: Lab, clock: Clock, status: int) -> None:
    lab.fault(method="POST", path=r"/status/start$", count=1, status=status, reason="lost")
    with pytest.raises(OutcomeUnknown, match="lost"):
        session(lab).send("POST", f"{GUEST}/status/start")
    assert len(lab.writes) == 1


def test_a_write_that_the_proxying_node_could_not_hand_on_is_repeated(lab: Lab, clock: Clock) -> None:
    lab.fault(method="POST", path=r"/status/start$", count=2, status=595, reason="No route to host")
    assert is_upid(session(lab).send("POST", f"{GUEST}/status/start"))
    assert len(lab.writes) == 3


def test_a_lost_login_before_a_write_is_no_lost_write(lab: Lab, clock: Clock) -> None:
    lab.fault(method="POST", path=r"/access/ticket$", count=1, drop="before")
    assert is_upid(session(lab, "alice").send("POST", f"{GUEST}/status/start"))
    assert len(lab.writes) == 1


def test_a_lock_is_waited_for_up_to_the_lock_timeout(lab: Lab, clock: Clock) -> None:
    lab.fault(method="PUT", path=r"/config$", count=3, status=500, reason="CT is locked (backup)")
    assert session(lab, lock_timeout=5).send("PUT", f"{GUEST}/config", {"cores": 2}) is None
    assert len(clock.naps) == 3
    assert lab.state.guests[100].config["cores"] == 2


def test_a_lock_that_stays_is_reported_after_the_lock_timeout(lab: Lab, clock: Clock) -> None:
    lab.fault(guest_lock={"vmid": 100, "lock": "backup"})
    with pytest.raises(Locked, match=r"CT is locked \(backup\)"):
        session(lab, lock_timeout=5).send("PUT", f"{GUEST}/config", {"cores": 2})
    assert clock.now == pytest.approx(5, abs=1.1)
    assert "cores" not in lab.state.guests[100].config


def test_another_refusal_of_a_write_is_not_repeated(lab: Lab, clock: Clock) -> None:
    lab.fault(method="PUT", path=r"/config$", count=9, status=500, reason="internal confusion")
    with pytest.raises(ApiError, match="internal confusion"):
        session(lab).send("PUT", f"{GUEST}/config", {"cores": 2})
    assert len(lab.writes) == 1


# -- how it is sent ----------------------------------------------------------------------------------------------------


def test_values_travel_in_wire_form(lab: Lab) -> None:
    session(lab).send("PUT", f"{GUEST}/config", {"onboot": True, "tags": "a;b", "memory": 256, "swap": None})
    (params,) = [entry["params"] for entry in lab.writes]
    assert {key: str(value) for key, value in params.items()} == {"onboot": "1", "tags": "a;b", "memory": "256"}


def test_the_items_of_a_loop_share_one_session_and_a_fork_opens_its_own(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"api_host": [lab.host], "api_port": lab.port, "ca_path": lab.ca_path}

    def opened(credential: str, lock_timeout: float = 60) -> Session:
        return open_session(resolve({**options, **lab.credentials[credential]}), "PVE", lock_timeout)

    first = opened("alice")
    assert opened("alice") is first
    assert opened("admin") is not first
    assert opened("alice", lock_timeout=5) is not first
    for _item in range(3):
        opened("alice").get("/version")
    assert sent(lab, "POST") == ["/access/ticket"]
    monkeypatch.setattr(_session.os, "getpid", lambda: 1)
    assert opened("alice") is not first


def test_the_front_door_imports_it_before_a_task_forks() -> None:
    """Imported in each task's own process, proxmoxer and requests would cost 40 ms every time."""
    root = "ansible_collections.steward.proxmox.plugins"
    code = f"import sys, {root}.action.lxc; sys.exit('{root}.module_utils._session' not in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=120).returncode == 0
