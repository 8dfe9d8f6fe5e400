# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who may do what: roles and ACLs become privileges, and PVE's permission expressions are evaluated."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from .errors import Died, Forbidden
from .privileges import ALL, BUILT_IN_ROLES
from .state import ROOT, State

Privileges = dict[str, int]  # privilege: whether it goes on to the paths below
TOP_PATHS = ("/", "/access", "/access/groups", "/nodes", "/pool", "/sdn", "/storage", "/vms")


@dataclass(frozen=True)
class Caller:
    """Who asks: a user by ticket, or one of the user's tokens."""

    user: str
    token: str | None = None

    @property
    def id(self) -> str:
        return f"{self.user}!{self.token}" if self.token else self.user

    @property
    def is_root(self) -> bool:
        """Only root@pam with a ticket is root; a token of root@pam never is."""
        return self.id == ROOT


class Permissions:
    """The rights of one caller."""

    def __init__(self, state: State, caller: Caller) -> None:
        self.state = state
        self.caller = caller

    def at(self, path: str) -> Privileges:
        if self.caller.user == ROOT and not self._separated:
            return dict.fromkeys(sorted(ALL), 1)
        privileges = self._with_pool(self.caller.user, path)
        if self._separated:
            own = self._with_pool(self.caller.id, path)
            of_user = dict.fromkeys(ALL, 1) if self.caller.user == ROOT else privileges
            return {name: flag and of_user[name] for name, flag in own.items() if name in of_user}
        return privileges

    @property
    def _separated(self) -> bool:
        tokens = self.state.users.get(self.caller.user, {}).get("tokens", {})
        return self.caller.token is not None and bool(tokens.get(self.caller.token, {}).get("privsep", 1))

    def _with_pool(self, subject: str, path: str) -> Privileges:
        privileges = self._privileges(subject, path)
        pool = self._pool_of(path)
        if pool:
            for name, flag in self._privileges(subject, f"/pool/{pool}").items():
                privileges.setdefault(name, flag)
        return privileges

    def _pool_of(self, path: str) -> str | None:
        match = re.fullmatch(r"/(vms|storage)/([^/]+)", path)
        if not match:
            return None
        for name, pool in self.state.pools.items():
            members = pool.get("vms" if match[1] == "vms" else "storage", [])
            if match[2] in map(str, members):
                return name
        return None

    def _privileges(self, subject: str, path: str) -> Privileges:
        """The roles of the nearest path that has any for the subject. A role of the user beats those of its groups."""
        found: Privileges = {}
        for prefix in _prefixes(path):
            entries = self._entries(subject, prefix, final=prefix == path)
            if entries:
                found = {}
                for entry in entries:
                    for name in self.role(entry["roleid"]):
                        found[name] = max(found.get(name, 0), int(entry["propagate"]))
                if any(entry["roleid"] == "NoAccess" for entry in entries):
                    found = {}
        return found

    def _entries(self, subject: str, path: str, *, final: bool) -> list[dict[str, Any]]:
        here = [e for e in self.state.acl if e["path"] == path and (final or int(e["propagate"]))]
        own = [entry for entry in here if entry["ugid"] == subject and entry["type"] in ("user", "token")]
        groups = {n for n in self.state.groups if subject in self.state.groups[n].get("members", [])}
        return own or [entry for entry in here if entry["type"] == "group" and entry["ugid"] in groups]

    def role(self, name: str) -> set[str] | frozenset[str]:
        return BUILT_IN_ROLES.get(name, self.state.roles.get(name, frozenset()))

    def effective(self) -> dict[str, Privileges]:
        """What GET /access/permissions shows: top paths, those with an ACL and members of pools, if not empty."""
        paths = {*TOP_PATHS, *(entry["path"] for entry in self.state.acl)}
        for pool in self.state.pools.values():
            paths |= {f"/vms/{vmid}" for vmid in pool.get("vms", [])}
            paths |= {f"/storage/{name}" for name in pool.get("storage", [])}
        shown = {path: self.at(path) for path in sorted(paths)}
        return {path: privileges for path, privileges in shown.items() if privileges}

    def may(self, path: str, *names: str, some: bool = False) -> bool:
        if self.caller.is_root:
            return True
        held = self.at(path)
        return any(n in held for n in names) if some else all(n in held for n in names)

    def need(self, path: str, *names: str, some: bool = False) -> None:
        if some and not self.may(path, *names, some=True):
            raise Forbidden(f"{path}, {'|'.join(names)}")
        if not some:
            for name in names:
                if not self.may(path, name):
                    raise Forbidden(f"{path}, {name}")

    def need_root(self, what: str) -> None:
        if not self.caller.is_root:
            raise Forbidden(f"{what} is only allowed for root@pam")


def _prefixes(path: str) -> list[str]:
    parts = path.strip("/").split("/") if path != "/" else []
    return ["/", *("/" + "/".join(parts[: n + 1]) for n in range(len(parts)))]


def check_endpoint(permissions: Permissions, rule: dict[str, Any] | None, params: dict[str, Any]) -> None:
    """Evaluates an endpoint's permission expression from the API description, or raises Forbidden."""
    if permissions.caller.is_root:
        return
    if rule is None:
        raise Forbidden("user != root@pam")
    if rule.get("user") in ("all", "world"):
        return
    if "check" in rule:
        _check(permissions, rule["check"], params)


def _check(permissions: Permissions, rule: list[Any], params: dict[str, Any]) -> None:
    kind, *rest = rule
    {
        "and": _check_and,
        "or": _check_or,
        "perm": _check_perm,
        "perm-modify": _check_modify,
        "userid-param": _check_userid_param,
        "userid-group": _check_userid_group,
    }[kind](permissions, rest, params)


def _check_and(permissions: Permissions, rules: list[Any], params: dict[str, Any]) -> None:
    for rule in rules:
        _check(permissions, rule, params)


def _check_or(permissions: Permissions, rules: list[Any], params: dict[str, Any]) -> None:
    for rule in rules:
        try:
            return _check(permissions, rule, params)
        except (Died, Forbidden):
            continue
    raise Forbidden()


def _options(rest: list[Any]) -> dict[str, Any]:
    return dict(zip(rest[0::2], rest[1::2], strict=True))


def _check_perm(permissions: Permissions, rest: list[Any], params: dict[str, Any]) -> None:
    template, names, *more = rest
    options = _options(more)
    needed = options.get("require_param")
    if needed and needed not in params:
        raise Forbidden()
    permissions.need(fill(template, params), *names, some=bool(options.get("any")))


def fill(template: str, params: dict[str, Any]) -> str:
    return re.sub(r"\{([^}]+)\}", lambda match: str(params.get(match[1], "")), template)


def _check_modify(permissions: Permissions, rest: list[Any], params: dict[str, Any]) -> None:
    """Changing an ACL: Permissions.Modify, or for storages, guests and pools the right to allocate them."""
    path = normal_path(fill(rest[0], params))
    extra = next((names for prefix, names in MODIFY_BY_ALLOCATE.items() if path.startswith(prefix)), ())
    permissions.need(path, "Permissions.Modify", *extra, some=True)


MODIFY_BY_ALLOCATE = {
    "/storage/": ("Datastore.Allocate",),
    "/vms/": ("VM.Allocate",),
    "/pool/": ("Pool.Allocate",),
}


def normal_path(path: str) -> str:
    """An ACL path starts with a slash and does not end with one."""
    return "/" + re.sub(r"/+", "/", path).strip("/")


def _check_userid_param(permissions: Permissions, rest: list[Any], params: dict[str, Any]) -> None:
    userid = str(params.get("userid", ""))
    if rest[0] == "self":
        if userid != permissions.caller.user or permissions.caller.token:
            raise Forbidden()
        return
    realm = userid.rpartition("@")[2]
    permissions.need(f"/access/realm/{realm}", rest[0])


def _check_userid_group(permissions: Permissions, rest: list[Any], params: dict[str, Any]) -> None:
    names, *more = rest
    options = _options(more)
    userid = str(params.get("userid", ""))
    creating = options.get("groups_param") == "create"
    if not creating and userid not in permissions.state.users:
        raise Died(f"no such user ('{userid}')")
    if permissions.may("/access/groups", *names, some=True):
        return
    groups = [n for n, group in permissions.state.groups.items() if userid in group.get("members", [])]
    if any(permissions.may(f"/access/groups/{name}", *names, some=True) for name in groups):
        return
    raise Forbidden(f"/access/groups, {'|'.join(names)}" if "groups_param" in options else "")
