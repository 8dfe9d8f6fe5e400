# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ASGI application: log in, find, allow, proxy, verify, handle, answer; in the order of the real one."""

from __future__ import annotations

import asyncio
import json
import re
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from . import (
    access,
    agent,
    agent_exec,
    agent_files,
    backup_jobs,
    cloud_init,
    cluster,
    firewall,
    firewall_aliases,
    firewall_groups,
    firewall_ipsets,
    firewall_rules,
    ha,
    ha_manager,
    ha_rules,
    ha_status,
    health,
    lxc,
    lxc_clone,
    lxc_create,
    lxc_disks,
    lxc_migrate,
    lxc_power,
    nodes,
    older_version,
    pct,
    pools,
    qemu,
    qemu_clone,
    qemu_create,
    qemu_disks,
    qemu_migrate,
    qemu_power,
    replication,
    sdn,
    storage,
    vzdump,
)
from .auth import Tickets, identify
from .call import HANDLERS, Answer, Call
from .errors import Died, Forbidden, NotServed, Refusal
from .faults import Fault, Faults, outcome_of
from .permissions import Caller, Permissions, check_endpoint
from .schema import endpoint, find_path, verify
from .state import ROOT, State
from .tasks import Tasks

PREFIX = "/api2/json"
#: importing them is what makes them serve
SERVED = (
    (access, agent, agent_exec, agent_files, backup_jobs, cloud_init, cluster, nodes, pools, sdn),
    (ha, ha_rules, ha_status, health, replication),
    (firewall, firewall_aliases, firewall_groups, firewall_ipsets, firewall_rules, storage, vzdump),
    (lxc, lxc_clone, lxc_create, lxc_disks, lxc_migrate, lxc_power),
    (qemu, qemu_clone, qemu_create, qemu_disks, qemu_migrate, qemu_power),
)
SECRET = re.compile(r"password|secret|sshkeys|private|^key$|encryption-key|input-data", re.IGNORECASE)
# The reason line and a dropped connection are no part of ASGI: these headers tell server.py.
REASON_HEADER, DROP_HEADER = b"x-lab-reason", b"x-lab-drop"


class LabApp:
    """One lab: its state, tasks, faults and log behind one lock."""

    def __init__(self, seed: dict[str, Any] | None, task_seconds: float, log: Path | None = None) -> None:
        self.seed, self.task_seconds, self.log = seed, task_seconds, log
        self.lock = threading.RLock()
        self.tickets = Tickets()
        self.requests: list[dict[str, Any]] = []
        self.reset()

    def reset(self) -> None:
        """Back to the seed. Tickets stay good."""
        with self.lock:
            self.state = State(self.seed)
            self.tasks = Tasks(self.task_seconds)
            self.faults = Faults(self.state)
            self.requests.clear()
            if self.log:
                self.log.write_text("", encoding="utf-8")

    def settle(self) -> None:
        """Ends what is due, so that what is read now is as of now."""
        with self.lock:
            self.faults.expire()
            self.tasks.advance()
            ha_manager.settle(self.state, self.tasks, self.faults.outcome)
            replication.settle(self.state)
            self.tasks.advance()

    def asgi(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/_lab/requests", self._show_requests, methods=["GET"]),
                Route("/_lab/reset", self._do_reset, methods=["POST"]),
                Route("/_lab/faults", self._add_faults, methods=["POST"]),
                Route("/_lab/pct", self._run_pct, methods=["POST"]),
                Route("/{path:path}", self._serve, methods=["GET", "POST", "PUT", "DELETE", "PATCH"]),
            ]
        )

    # the lab's own paths

    async def _show_requests(self, _request: Request) -> Response:
        return JSONResponse(self.requests)

    async def _do_reset(self, _request: Request) -> Response:
        self.reset()
        return JSONResponse({"data": None})

    async def _add_faults(self, request: Request) -> Response:
        wanted = await request.json()
        try:
            with self.lock:
                for fault in wanted if isinstance(wanted, list) else [wanted]:
                    self.faults.add(**fault)
        except (KeyError, TypeError, ValueError) as error:
            return JSONResponse({"data": None, "message": str(error)}, status_code=400)
        return JSONResponse({"data": None})

    async def _run_pct(self, request: Request) -> Response:
        wanted = await request.json()
        return JSONResponse(await asyncio.to_thread(pct.run, self, wanted))

    # the API

    async def _serve(self, request: Request) -> Response:
        raw_path = request.scope["raw_path"].decode()
        params = await _parameters(request)
        with self.lock:
            asked = self.state
            faults = self.faults.match(request.method, raw_path.removeprefix(PREFIX))
        delay = sum(fault.delay for fault in faults)
        if delay:
            await asyncio.sleep(delay)
        if self.state is not asked:  # reset meanwhile: what nobody waits for any more must not change the next cluster
            return dropped()
        entry = {
            "time": time.time(),
            "user": None,
            "method": request.method,
            "path": unquote(raw_path.removeprefix(PREFIX)),
            "params": redact(params),
        }
        response, user = self._answer(request, raw_path, params, faults)
        self.record(entry | {"status": response.status_code, "user": user})
        return response

    def _answer(
        self, request: Request, raw_path: str, params: dict[str, Any], faults: list[Fault]
    ) -> tuple[Response, str | None]:
        if any(fault.drop == "before" for fault in faults):
            return dropped(), None
        refused = next((fault for fault in faults if fault.status), None)
        if refused and refused.status:
            return refuse(Refusal(refused.status, refused.reason, body=refused.status < 595)), None
        caller: Caller | None = None
        try:
            with self.lock:
                self.settle()
                caller, data = self._handle(request.method, raw_path, params, request.headers, faults)
                self.settle()
            response = succeed(data)
        except Refusal as refusal:
            response = refuse(refusal)
        if any(fault.drop == "after" for fault in faults):
            return dropped(), caller.id if caller else None
        return response, caller.id if caller else self._claimed(request)

    def _claimed(self, request: Request) -> str | None:
        """Who a refused request says to be, for the log."""
        try:
            caller = identify(self.state, self.tickets, "GET", "", request.headers)
        except Refusal:
            return None
        return caller.id if caller else None

    def _handle(
        self, method: str, raw_path: str, params: dict[str, Any], headers: Mapping[str, str], faults: list[Fault]
    ) -> tuple[Caller | None, Any]:
        segments = [unquote(s) for s in raw_path.removeprefix(PREFIX).strip("/").split("/")]
        plain = "/" + "/".join(segments)
        caller = identify(self.state, self.tickets, method, plain, headers)
        found = find_path(segments)
        described = found and endpoint(method, found[0])
        known = described and older_version.has_path(self.state.version, described.path)
        if not raw_path.startswith(PREFIX) or not found or not described or not known:
            raise NotServed(f"Method '{method} {plain}' not implemented")
        template, path_params = found
        if caller and caller.token and not described.token_allowed:
            raise Forbidden(f"URI '{plain}' not available with API token, need proper ticket.\n")
        asked = {**params, **path_params}
        if caller:
            check_endpoint(Permissions(self.state, caller), described.permissions, asked)
        if "node" in path_params:
            asked["node"] = self._reach(path_params["node"])
        handler = HANDLERS.get((method, template))
        if handler is None:
            raise NotServed(f"Method '{method} {plain}' is not served by the lab")
        properties = older_version.properties(self.state.version, described.properties)
        values = verify(properties, asked, additional=described.additional)
        outcome = outcome_of(faults)
        call = Call(self.state, self.tasks, caller or Caller("nobody"), method, plain, values, asked, outcome)
        if method == "POST" and template == "/access/ticket":
            return None, access.ticket(call, self.tickets)
        return caller, handler(call)

    def _reach(self, node: str) -> str:
        """A request for another node goes there: it must exist and be up."""
        if node == "localhost":
            return self.state.local
        if node in self.state.offline:
            raise Refusal(595, "No route to host", body=False)
        if node not in self.state.nodes:
            known = re.fullmatch(r"[A-Za-z0-9.\-]+", node)
            tail = "Temporary failure in name resolution" if known else "Name or service not known"
            raise Died(f"hostname lookup '{node}' failed - failed to get address info for: {node}: {tail}")
        return node

    def record(self, entry: dict[str, Any]) -> None:
        self.requests.append(entry)
        if self.log:
            with self.log.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(entry) + "\n")

    def as_root(self, node: str) -> Call:
        """A call that no request made: `pct` on a node."""
        return Call(self.state, self.tasks, Caller(ROOT), "POST", "", {"node": node})


def redact(params: dict[str, Any]) -> dict[str, Any]:
    hidden = {"content"} if "file" in params else set()  # of a file in a guest
    return {name: "***" if SECRET.search(name) or name in hidden else value for name, value in params.items()}


async def _parameters(request: Request) -> dict[str, Any]:
    """From the query, and from a body that is a form or JSON. A name that comes twice is a list."""
    params = _flat(parse_qs(request.url.query, keep_blank_values=True))
    body = await request.body()
    if body and "json" in request.headers.get("content-type", ""):
        sent = json.loads(body)
        return params | {name: _text(value) for name, value in sent.items()}
    return params | _flat(parse_qs(body.decode(), keep_blank_values=True))


def _flat(parsed: dict[str, list[str]]) -> dict[str, Any]:
    return {name: values if len(values) > 1 else values[0] for name, values in parsed.items()}


def _text(value: Any) -> Any:
    """JSON's true and false are 1 and 0; numbers are the text that they are."""
    if isinstance(value, list):
        return [_text(item) for item in value]
    return str(int(value)) if isinstance(value, bool) else str(value)


def succeed(data: Any) -> Response:
    beside = data.beside if isinstance(data, Answer) else {}
    return _json(200, "OK", {"data": data.data if isinstance(data, Answer) else data, **beside})


def refuse(refusal: Refusal) -> Response:
    if not refusal.body:
        return _json(refusal.status, refusal.reason, None)
    newline = "" if refusal.status == 501 or refusal.message.endswith("\n") else "\n"
    body: dict[str, Any] = {"data": None, "message": refusal.message + newline}
    if refusal.errors:
        body["errors"] = refusal.errors
    return _json(refusal.status, refusal.reason, body)


def dropped() -> Response:
    response = Response(status_code=500)
    response.raw_headers.append((DROP_HEADER, b"1"))
    return response


def _json(status: int, reason: str, body: Any) -> Response:
    content = b"" if body is None else json.dumps(body).encode()
    response = Response(content, status, media_type="application/json;charset=UTF-8")
    response.raw_headers.append((REASON_HEADER, reason.encode()))
    return response
