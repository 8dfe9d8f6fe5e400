# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One authenticated HTTPS session with PVE (and, by their service name, PBS and PMG).

The only file that imports proxmoxer. It sends, retries where that is safe, fails over to the next node, and turns every
answer into data or into one exception. It decides nothing.
"""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from ._codec import to_wire
from ._connection import MOST_AT_ONCE, Connection
from ._errors import (
    Answer,
    ApiError,
    AuthenticationFailed,
    BadInput,
    Locked,
    OutcomeUnknown,
    StewardError,
    Unreachable,
    translate,
)

try:
    import requests
    from proxmoxer.backends.https import (
        JsonSerializer,
        ProxmoxHTTPApiTokenAuth,
        ProxmoxHTTPAuth,
        ProxmoxHTTPAuthBase,
        ProxmoxHttpSession,
    )
    from proxmoxer.core import SERVICES, ProxmoxResource, ResourceException
    from requests.adapters import HTTPAdapter

    IMPORT_ERROR: ImportError | None = None
except ImportError as missing:  # reported by open_session, so that --help and documentation work without it
    IMPORT_ERROR = missing
    HTTPAdapter = JsonSerializer = ProxmoxHTTPAuth = object  # type: ignore[assignment,misc]

_GET_PAUSES = (0.2, 0.5, 1.0, 2.0)
_GATEWAY = (502, 503, 504, 595, 596)
_NOTHING_DONE = (595,)  # the proxying node could not even connect to the one that would have acted
_UNTRUSTED = re.compile(r"certificate verify failed|Fingerprints did not match|doesn't match|CERTIFICATE_VERIFY_FAILED")
_LOCK_PAUSE = 1.0


class _PinnedAdapter(HTTPAdapter):
    """TLS that trusts exactly one leaf certificate, by its SHA-256 fingerprint."""

    def __init__(self, fingerprint: str) -> None:
        self.fingerprint = fingerprint
        super().__init__(pool_maxsize=MOST_AT_ONCE)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        kwargs.update(assert_fingerprint=self.fingerprint, assert_hostname=False, cert_reqs="CERT_NONE")
        super().init_poolmanager(*args, **kwargs)


class _Data(JsonSerializer):
    """The `data` of an answer; one that is not Proxmox's JSON is an error, never data."""

    def loads(self, response: Any) -> Any:
        try:
            return response.json()["data"]
        except (ValueError, KeyError, TypeError):
            raise ApiError(
                f"{response.url.partition('?')[0]} did not answer as Proxmox does",
                "Check api_host and api_port: something else answers there",
            ) from None


class _TicketAuth(ProxmoxHTTPAuth):
    """proxmoxer's ticket login over our own session, so that pinning and timeouts hold for the password too."""

    pve_auth_ticket = ""

    def __init__(self, http: Any, base_url: str, connection: Connection, service: str) -> None:
        self.http, self.renewing = http, threading.Lock()
        super().__init__(
            connection.user,
            connection.secret,
            base_url=base_url,
            service=service,
            verify_ssl=_verify(connection),
            timeout=connection.timeout,
        )

    def __call__(self, request: Any) -> Any:
        with self.renewing:  # reads that are under way together renew an old ticket once
            return super().__call__(request)

    def _get_new_tokens(self, password: str | None = None, otp: str | None = None, otptype: str | None = None) -> None:
        form = {"username": self.username, "password": password or self.pve_auth_ticket}
        path = "/access/ticket"
        nobody = ProxmoxHTTPAuthBase(service=self.service)
        # not .post(): that passes json, which proxmoxer's session does not take
        answer = self.http.request(
            "POST", self.base_url + path, data=form, auth=nobody, verify=self.verify_ssl, timeout=self.timeout
        )
        if answer.status_code != 200:
            raise translate(_answer("POST", path, answer, self.username))
        data = answer.json()["data"]
        if data.get("NeedTFA"):
            raise AuthenticationFailed(f"{self.username} needs a second factor", "Use an API token for automation")
        self.birth_time = time.monotonic()
        self.pve_auth_ticket, self.csrf_prevention_token = data["ticket"], data["CSRFPreventionToken"]


def _verify(connection: Connection) -> bool | str:
    if connection.fingerprint or not connection.validate_certs:
        return False
    return connection.ca_path or True


def _answer(method: str, path: str, response: Any, identity: str) -> Answer:
    try:
        body = response.json()
    except ValueError:
        body = {}
    body = body if isinstance(body, dict) else {}
    errors = body.get("errors")
    return Answer(
        method,
        path,
        response.status_code,
        response.reason or "",
        str(body.get("message") or ""),
        errors if isinstance(errors, dict) else {},
        identity,
    )


class Session:
    """Reads and writes as one identity. `get` may be repeated, and called by several threads at once; `send` is called
    by the applier alone."""

    def __init__(self, connection: Connection, service: str = "PVE", lock_timeout: float = 60) -> None:
        if IMPORT_ERROR:
            raise ApiError(
                f"A Python library is missing: {IMPORT_ERROR}",
                "Install it where the task runs: pip install proxmoxer requests",
            )
        if connection.ca_path and not os.path.exists(connection.ca_path):
            raise BadInput(f"ca_path '{connection.ca_path}' does not exist where the task runs")
        self.connection, self.service, self.lock_timeout = connection, service, lock_timeout
        self.identity = connection.identity
        self._hosts = list(connection.hosts)
        self._api: Any = None
        #: several threads may read through one session: each has its own last answer, one at a time connects
        self._lock, self._last = threading.RLock(), threading.local()

    # -- reading -------------------------------------------------------------------------------------------------

    def get(self, path: str, /, **params: Any) -> Any:
        """The `data` of a GET. Retried on lost connections, gateway errors and lock timeouts."""
        pauses = iter(_GET_PAUSES)
        while True:
            try:
                return self._request("GET", path, params)
            except (Unreachable, OutcomeUnknown, Locked) as error:
                pause = next(pauses, None)
                if pause is None:
                    raise error if isinstance(error, (Unreachable, Locked)) else Unreachable(error.message) from error
                time.sleep(pause)

    # -- writing -------------------------------------------------------------------------------------------------

    def send(self, method: str, path: str, data: Mapping[str, Any] | None = None) -> Any:
        """A write. Sent again only when it is certain that nothing was done: no connection, or a lock in the way."""
        deadline = time.monotonic() + self.lock_timeout
        pauses = iter(_GET_PAUSES)
        while True:
            try:
                return self._request(method, path, dict(data or {}))
            except Locked:
                if time.monotonic() >= deadline:
                    raise
                time.sleep(_LOCK_PAUSE)
            except Unreachable as error:
                status = error.facts.get("status")
                if status not in (None, *_NOTHING_DONE):
                    raise OutcomeUnknown(error.message, status=status) from None
                pause = next(pauses, None)
                if pause is None:
                    raise
                time.sleep(pause)

    # -- one request ---------------------------------------------------------------------------------------------

    def _request(self, method: str, path: str, params: Mapping[str, Any]) -> Any:
        failures = []
        for host in list(self._hosts):
            api, writing = None, False
            try:
                api = self._connect(host)
                call = getattr(api(path.strip("/")), method.lower())
                writing = method != "GET"
                return call(**to_wire(params))
            except ResourceException:
                raise self._translated(method, path) from None
            except StewardError:
                raise
            except (requests.exceptions.ConnectionError, requests.exceptions.ChunkedEncodingError) as error:
                if _UNTRUSTED.search(_cause(error)):
                    raise self._tls_error(host, error) from None
                if writing and not _never_sent(error):
                    raise OutcomeUnknown(
                        f"{method} {path}: the connection to {host} was lost before the answer came ({_cause(error)})"
                    ) from None
                failures.append(f"{host}: {_cause(error)}")
            except requests.exceptions.Timeout:
                self._leave(host, api)
                message = (
                    f"{method} {path}: no answer from {host} within {self.connection.timeout[1]:g} seconds"
                    " (api_timeout)"
                )
                raise (OutcomeUnknown(message) if writing else Unreachable(message)) from None
            self._leave(host, api)
        raise Unreachable(
            f"{method} {path}: no node answered ({'; '.join(failures)})", "Check api_host, api_port and the network"
        )

    def _connect(self, host: str) -> Any:
        with self._lock:
            if self._api is None:
                self._api = self._resource(host)
            return self._api

    def _resource(self, host: str) -> Any:
        port = self.connection.port or SERVICES[self.service]["default_port"]
        name = f"[{host}]" if ":" in host and not host.startswith("[") else host
        base_url = f"https://{name}:{port}/api2/json"
        http = ProxmoxHttpSession()
        http.trust_env = False  # a proxy or CA bundle of the environment must not decide where a credential goes
        http.hooks["response"].append(self._remember)
        pinned = self.connection.fingerprint
        http.mount("https://", _PinnedAdapter(pinned) if pinned else HTTPAdapter(pool_maxsize=MOST_AT_ONCE))
        http.auth = self._auth(http, base_url)
        return ProxmoxResource(base_url=base_url, session=http, serializer=_Data())

    def _auth(self, http: Any, base_url: str) -> Any:
        connection = self.connection
        if not connection.token:
            return _TicketAuth(http, base_url, connection, self.service)
        return ProxmoxHTTPApiTokenAuth(
            connection.user,
            connection.token,
            connection.secret,
            verify_ssl=_verify(connection),
            timeout=connection.timeout,
            service=self.service,
        )

    def _leave(self, host: str, api: Any) -> None:
        """Try the other nodes first from now on."""
        with self._lock:
            if self._api is api:  # no other thread has left it already
                self._api = None
                self._hosts.remove(host)
                self._hosts.append(host)

    def _remember(self, response: Any, *_args: Any, **_kwargs: Any) -> None:
        self._last.answer = response

    def _translated(self, method: str, path: str) -> StewardError:
        # proxmoxer keeps only the reason line; the body's message has the cause where a 500 wraps a 400
        last = self._last.answer
        error = translate(_answer(method, path, last, self.identity))
        if last.status_code in _GATEWAY and not isinstance(error, Unreachable):
            return Unreachable(error.message, status=last.status_code)
        return error

    def _tls_error(self, host: str, error: Exception) -> StewardError:
        cause = _cause(error)
        seen = re.search(r'got "([0-9a-fA-F]{64})"', cause)
        if seen:
            digits = seen.group(1).upper()
            shown = ":".join(digits[i : i + 2] for i in range(0, 64, 2))
            return AuthenticationFailed(
                f"{host} has another certificate than the pinned one: its fingerprint is {shown}",
                "If that is the node's certificate (pvenode cert info), set fingerprint to it; if not, somebody else"
                " answers",
            )
        return AuthenticationFailed(
            f"The TLS certificate of {host} is not trusted: {cause}",
            "Set ca_path to the cluster's CA (/etc/pve/pve-root-ca.pem), or pin fingerprint",
        )


def open_session(connection: Connection, service: str, lock_timeout: float) -> Session:
    """One session per process and connection: the items of a loop share it, a fork opens its own."""
    return _opened(os.getpid(), connection, service, lock_timeout)


@lru_cache(maxsize=8)
def _opened(_process: int, connection: Connection, service: str, lock_timeout: float) -> Session:
    return Session(connection, service, lock_timeout)


def _never_sent(error: Exception) -> bool:
    """Did the connection fail before the request left?"""
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return True
    reason = getattr(error.args[0], "reason", error.args[0]) if error.args else error
    return type(reason).__name__ in ("NewConnectionError", "NameResolutionError", "ConnectTimeoutError")


def _cause(error: Exception) -> str:
    reason = getattr(error.args[0], "reason", error.args[0]) if error.args else error
    return re.sub(r"^<[^>]*>: |^HTTPSConnection\([^)]*\): ", "", str(reason))
