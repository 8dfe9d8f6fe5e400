# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The planner of `api`: any path of the API. It is as idempotent as the path allows, and trusts no write."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ._blast_of.paths import tell
from ._codec import to_wire
from ._errors import ApiError, BadInput
from ._info.bounded import shortened
from ._names import segment
from ._plan import Effect, Plan, Step, Undo
from ._planner import Planner
from ._world import World

_OPTIONS: dict[str, dict[str, Any]] = {
    "path": {"type": "str", "required": True},
    "method": {"type": "str", "default": "get", "choices": ["get", "post", "put", "delete"]},
    "data": {"type": "dict", "default": {}},
    "secrets": {"type": "dict", "no_log": True},
    "creates": {"type": "str"},
}

_UNREADABLE = "unknown: this path cannot be read"


def plan_api(options: Mapping[str, Any], world: World) -> Plan:
    """GET reads. PUT sends only what differs from a GET of the same path, DELETE nothing where GET finds nothing,
    POST nothing where the path in `creates` exists; where that cannot be told, the write is done every time."""
    path, method = _path("path", options["path"]), options["method"]
    if method == "get":
        return _read(world, path, options["data"])
    plan = Plan(summary=f"{method} {path}: nothing to do")
    data = to_wire({**options["data"], **(options.get("secrets") or {})})
    before = _read_before(world, method, path, options)
    if method == "put" and isinstance(before, dict):
        data = {
            key: value
            for key, value in data.items()
            if key in (options.get("secrets") or {}) or str(before.get(key)) != str(value)
        }
    plan.objects[path] = (
        {key: before.get(key) for key in data} if isinstance(before, dict) else {"exists": before is not None}
    )
    if (
        (method == "post" and before is not None)
        or (method == "delete" and before is None)
        or (method == "put" and options["data"] and not data)
    ):
        return plan
    hidden = frozenset(options.get("secrets") or {})
    plan.steps = [Step(method, path, method.upper(), path, data, why="asked for by path", secrets=hidden)]
    plan.summary = f"{method} {path}"
    plan.before = plan.objects[path]
    shown = {key: value for key, value in data.items() if key not in hidden}
    plan.after = {"exists": False} if method == "delete" else shown
    plan.effects = _effects(method, path, options, data)
    if not tell(world, plan.blast, method, path, shown, before if isinstance(before, dict) else {}):
        plan.blast.because(
            "high", f"a write to {path} is not known to this collection: what it touches is not computed"
        ).unknown(f"what {method} {path} touches")
    plan.undo = Undo(cannot=({"of": [0], "why": "a write by path has no known inverse"},))
    return plan


def _read_before(world: World, method: str, path: str, options: Mapping[str, Any]) -> Any:
    """What is there: a document, None where there is certainly nothing, _UNREADABLE where the path has no GET."""
    if method == "post":
        return world.find(_path("creates", options["creates"])) if options.get("creates") else None
    try:
        return world.find(path)
    except ApiError as error:
        if error.facts.get("status") != 501:
            raise
        return _UNREADABLE


def _read(world: World, path: str, params: Mapping[str, Any]) -> Plan:
    data = world.get(path, **params)
    cut = False
    if isinstance(data, list):
        data, cut = shortened(data)
    elif isinstance(data, str) and len(data) > 500_000:
        data, cut = data[:500_000], True
    return Plan(summary=f"reads {path}", result={"data": data, "truncated": cut})


def _effects(method: str, path: str, options: Mapping[str, Any], data: Mapping[str, Any]) -> list[Effect]:
    """As much as a path tells: PUT changes the document, DELETE removes it, POST makes what `creates` names."""
    if method == "delete":
        return [Effect(path, "gone")]
    hidden = options.get("secrets") or {}
    shown = {key: value for key, value in data.items() if key not in hidden}
    if method == "post":
        return [Effect(_path("creates", options["creates"]), "set", shown)] if options.get("creates") else []
    return [Effect(path, "merge", shown)]


def _path(option: str, text: str) -> str:
    if not text.startswith("/") or "?" in text or re.search(r"//|/$", text):
        raise BadInput(
            f"{option}: {text[:120]!r} is not an API path such as /nodes/pve1/dns; parameters belong into data. Nothing"
            " was sent"
        )
    return "/" + "/".join(segment(part) for part in text[1:].split("/"))


API = Planner("api", _OPTIONS, plan_api)
