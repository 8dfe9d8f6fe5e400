# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""API tokens. Not a Kind: they are listed inside their user, and the server tells their secret once and never again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ._codec import BOOL, INT, STRING, to_wire
from ._errors import NotFound, Refused
from ._names import TOKEN as TOKEN_NAME
from ._names import USER, check_text, segment
from ._plan import Effect, Plan, Step, Undo, after_apply
from ._planner import Planner
from ._privileges import Need, held
from ._world import World, address

_USERS, _FULL = "/access/users", {"full": 1}
_MODIFY = Need("/access/groups", ("User.Modify",))
_FIELDS = {"privsep": (BOOL, True), "expire": (INT, 0), "comment": (STRING, "")}
_CALLS = {
    "create": ("POST", "it does not exist"),
    "update": ("PUT", "it differs"),
    "delete": ("DELETE", "state is absent"),
}
_OPTIONS: dict[str, dict[str, Any]] = {
    "userid": {"type": "str", "required": True},
    "tokenid": {"type": "str", "required": True, "no_log": False},
    "comment": {"type": "str"},
    "expire": {"type": "int"},
    "privsep": {"type": "bool"},
    "state": {"type": "str", "default": "present", "choices": ["present", "absent"]},
}


def plan_token(options: Mapping[str, Any], world: World) -> Plan:
    """One token: made, brought to what is asked for, or removed. What it may do is a matter of the access list."""
    userid, name = USER.check("userid", options["userid"]), TOKEN_NAME.check("tokenid", options["tokenid"])
    check_text("comment", options.get("comment") or "")
    full, target = f"{userid}!{name}", f"token {userid}!{name}"
    rows = world.get(_USERS, **_FULL) or []
    user = next((row for row in rows if row["userid"] == userid), None)
    if user is None:
        _require_sight(world, target)
        if options["state"] == "present":
            raise NotFound(f"User {userid} does not exist, so it can have no token", "Make it first: module user")
    tokens = list((user or {}).get("tokens") or [])
    row = next((row for row in tokens if row["tokenid"] == name), None)
    have = None if row is None else _decoded(row)
    asked = {key: options[key] for key in _FIELDS if options.get(key) is not None}
    after = {**(have or _decoded({})), **asked} if options["state"] == "present" else None
    plan = Plan(summary=f"{target} is as wanted", objects={target: have or {"exists": False}})
    plan.result = {"token": None if after is None else {"full_tokenid": full, **after}}
    if user is None or after == have:
        return plan
    op = "delete" if after is None else "create" if have is None else "update"
    plan.summary, plan.before, plan.after = f"{op} {target}", have or {}, after or {}
    path = f"{_USERS}/{segment(userid)}/token/{segment(name)}"
    plan.steps = [_step(op, target, path, have or _decoded({}), after or {})]
    now = [other for other in tokens if other is not row]
    now += [{"tokenid": name, **to_wire(after)}] if after else []
    others = [other for other in rows if other is not user]
    plan.effects = [Effect(address(_USERS, _FULL), "set", [*others, {**user, "tokens": now}])]
    if op == "create":
        plan.result["secret"] = after_apply(f"secret of {full}")
    plan.undo = _undo(op, target, {"userid": userid, "tokenid": name, **(have or {})}, after)
    _tell(plan, full, have or _decoded({}), after)
    return plan


def _decoded(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: codec.decode(row.get(key, default)) for key, (codec, default) in _FIELDS.items()}


def _step(op: str, target: str, path: str, have: Mapping[str, Any], after: Mapping[str, Any]) -> Step:
    method, why = _CALLS[op]
    data = {key: value for key, value in after.items() if have[key] != value}
    gives = (lambda answer: {"secret": answer["value"]}) if op == "create" else None
    return Step(op, target, method, path, to_wire(data), why=why, needs=(_MODIFY,), gives=gives)


def _undo(op: str, target: str, was: Mapping[str, Any], after: Mapping[str, Any] | None) -> Undo:
    if after is None:
        return Undo(cannot=({"of": [0], "why": "a token that is made again has another secret"},))
    back = {"create": "delete", "update": "update"}[op]
    return Undo(({"op": back, "target": target, "of": [0], "kind": "token", "data": was, "left": after},))


def _tell(plan: Plan, full: str, have: Mapping[str, Any], after: Mapping[str, Any] | None) -> None:
    """Who feels it."""
    plan.blast.principals.add(full)
    if after is None:
        plan.blast.because("high", f"whoever uses {full} is locked out, and its permissions are gone")
    elif have["privsep"] and not after["privsep"]:
        plan.blast.because("high", f"{full} may do all that its user may")


def _require_sight(world: World, target: str) -> None:
    """Raise Refused where a user that is not listed is unknown, not missing."""
    world.relies_on(_MODIFY)
    sees = Need(_MODIFY.path, ("User.Modify", "Sys.Audit"))
    if not world.is_root and held(world.permissions_now(), sees) is False:
        raise Refused(
            f"Whether {target} exists is unknown: {world.identity} may not see every user",
            "Grant User.Modify on /access/groups",
        )


TOKEN = Planner("token", _OPTIONS, plan_token, tells="secret")
