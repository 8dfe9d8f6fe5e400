# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Users, groups, roles, tokens, ACLs and realms; logging in."""

from __future__ import annotations

import re
from typing import Any

from .auth import Tickets, check_password
from .call import Call, serves
from .errors import BadParameter, Died, Forbidden, Refusal
from .formats import split_list
from .permissions import Caller, Permissions, normal_path
from .privileges import BUILT_IN_ROLES
from .state import section_digest

USER, TOKEN = "/access/users/{userid}", "/access/users/{userid}/token/{tokenid}"
USER_FIELDS = ("comment", "email", "enable", "expire", "firstname", "keys", "lastname")
TOKEN_FIELDS = ("comment", "expire", "privsep")
ACL_PATH = re.compile(
    r"/|/access(/(groups|realm)(/[^/]+)?)?|/nodes(/[^/]+)?|/pool(/[^/]+){0,3}|/sdn(/zones(/[^/]+){0,3}|/[a-z]+(/[^/]+)?)?"
    r"|/storage(/[^/]+)?|/vms(/[1-9][0-9]{2,})?|/mapping(/[a-z]+(/[^/]+)?)?"
)


def ticket(call: Call, tickets: Tickets) -> dict[str, Any]:
    """A ticket is a cookie; writes also need its CSRF token."""
    user = str(call.params["username"])
    if "@" not in user:
        user += f"@{call.params.get('realm', 'pam')}"
    password = str(call.params["password"])
    if tickets.user(password) != user:  # a ticket renews itself
        check_password(call.state, user, password)
    issued, csrf = tickets.issue(user)
    permissions = Permissions(call.state, Caller(user)).effective()
    capabilities = {kind: permissions.get(f"/{kind}", {}) for kind in ("access", "nodes", "storage", "vms", "sdn")}
    found = {"username": user, "ticket": issued, "CSRFPreventionToken": csrf, "cap": capabilities}
    return found | ({"clustername": call.state.cluster} if call.state.cluster else {})


@serves("POST", "/access/ticket")
def login(_call: Call) -> None:
    """Handled by the application, which holds the key of the tickets."""


@serves("GET", "/access/permissions")
def permissions(call: Call) -> dict[str, dict[str, int]]:
    other = call.params.get("userid")
    caller = call.caller
    if other and other != caller.id:
        if not call.may("/access", "Sys.Audit"):
            raise Forbidden("/access, Sys.Audit")
        user, _unused, token = other.partition("!")
        caller = Caller(user, token or None)
    held = Permissions(call.state, caller)
    path = call.params.get("path")
    if path:
        return {normal_path(path): held.at(normal_path(path))}
    return held.effective()


@serves("PUT", "/access/password")
def password(call: Call) -> None:
    user = call.params["userid"]
    if not call.caller.is_root:
        confirmation = call.params.get("confirmation-password")
        if confirmation is None:
            raise BadParameter(**{"confirmation-password": "password is required to modify user"})
        check_password(call.state, call.caller.user, confirmation)
    _user(call, user)["password"] = call.params["password"]


# users


def _user(call: Call, userid: str, prefix: str = "") -> dict[str, Any]:
    if userid not in call.state.users:
        raise Died(f"{prefix}no such user ('{userid}')")
    return call.state.users[userid]


def _groups_of(call: Call, userid: str) -> list[str]:
    return sorted(name for name, group in call.state.groups.items() if userid in group.get("members", []))


def _fields(user: dict[str, Any]) -> dict[str, Any]:
    return {"enable": 1, "expire": 0} | {key: user[key] for key in USER_FIELDS if key in user and user[key] != ""}


@serves("GET", "/access/users")
def users(call: Call) -> list[dict[str, Any]]:
    found = []
    for userid, user in call.state.users.items():
        if not _may_see_user(call, userid):
            continue
        if "enabled" in call.params and int(user.get("enable", 1)) != call.params["enabled"]:
            continue
        entry = {"userid": userid, **_fields(user)}
        realm = call.state.domains.get(userid.rpartition("@")[2])
        entry |= {"realm-type": realm["type"]} if realm else {}
        if call.params.get("full"):
            entry["groups"] = ",".join(_groups_of(call, userid))
            tokens = user.get("tokens") or {}
            entry["tokens"] = [{"tokenid": name, **_token_fields(token)} for name, token in tokens.items()] or None
        found.append(entry)
    return found


def _may_see_user(call: Call, userid: str) -> bool:
    if userid == call.caller.id or call.may("/access/groups", "User.Modify", "Sys.Audit", some=True):
        return True
    groups = _groups_of(call, userid)
    return any(call.may(f"/access/groups/{name}", "User.Modify", "Sys.Audit", some=True) for name in groups)


@serves("GET", USER)
def user(call: Call) -> dict[str, Any]:
    userid = call.params["userid"]
    found = _user(call, userid)
    tokens = {name: _token_fields(token) for name, token in (found.get("tokens") or {}).items()}
    entry = {"enable": 1, "expire": 0} | {key: found[key] for key in USER_FIELDS if key in found}
    return entry | {"groups": _groups_of(call, userid), "tokens": tokens or None}


@serves("POST", "/access/users")
def create_user(call: Call) -> None:
    userid = call.params["userid"]
    call.cluster_write("create user failed: ", "user_cfg")
    if userid in call.state.users:
        raise Died(f"create user failed: user '{userid}' already exists")
    groups = split_list(call.params.get("groups", ""))
    for name in groups:
        if name not in call.state.groups:
            raise Died(f"create user failed: no such group '{name}'")
    if "password" in call.params and userid.endswith("@pam"):
        raise Died(f"create user failed: change password failed: user '{userid[:-4]}' does not exist")
    call.state.users[userid] = {key: call.params[key] for key in (*USER_FIELDS, "password") if key in call.params}
    _join(call, userid, groups)


def _join(call: Call, userid: str, groups: list[str]) -> None:
    for name in groups:
        members = call.state.groups[name].setdefault("members", [])
        if userid not in members:
            members.append(userid)


@serves("PUT", USER)
def update_user(call: Call) -> None:
    userid = call.params["userid"]
    found = _user(call, userid, "update user failed: ")
    groups = split_list(call.params.get("groups", ""))
    for name in groups:
        if name not in call.state.groups:
            raise Died(f"update user failed: no such group '{name}'")
    found |= {key: call.params[key] for key in USER_FIELDS if key in call.params}
    found.setdefault("email", "")
    if "groups" in call.params:
        if not call.params.get("append"):
            for group in call.state.groups.values():
                group["members"] = [member for member in group.get("members", []) if member != userid]
        _join(call, userid, groups)


@serves("DELETE", USER)
def delete_user(call: Call) -> None:
    userid = call.params["userid"]
    if userid == "root@pam":
        call.state.users[userid]["tokens"] = {}
        return
    call.state.users.pop(userid, None)
    for group in call.state.groups.values():
        group["members"] = [member for member in group.get("members", []) if member != userid]
    call.state.acl[:] = [e for e in call.state.acl if e["ugid"].partition("!")[0] != userid]


# tokens


def _token_fields(token: dict[str, Any]) -> dict[str, Any]:
    shown = {"privsep": int(token.get("privsep", 1)), "expire": int(token.get("expire", 0))}
    return shown | ({"comment": token["comment"]} if token.get("comment") else {})


def _token(call: Call) -> dict[str, Any]:
    userid, tokenid = call.params["userid"], call.params["tokenid"]
    token: dict[str, Any] | None = _user(call, userid).get("tokens", {}).get(tokenid)
    if token is None:
        raise Died(f"no such token '{tokenid}' for user '{userid}'")
    return token


@serves("GET", "/access/users/{userid}/token")
def tokens(call: Call) -> list[dict[str, Any]]:
    found = _user(call, call.params["userid"]).get("tokens", {})
    return [{"tokenid": name, **_token_fields(token)} for name, token in found.items()]


@serves("GET", TOKEN)
def token(call: Call) -> dict[str, Any]:
    return _token_fields(_token(call))


@serves("POST", TOKEN)
def create_token(call: Call) -> dict[str, Any]:
    userid, tokenid = call.params["userid"], call.params["tokenid"]
    found = _user(call, userid).setdefault("tokens", {})
    if tokenid in found:
        raise BadParameter(tokenid="Token already exists.")
    sent: dict[str, Any] = {key: call.params[key] for key in TOKEN_FIELDS if key in call.params}
    found[tokenid] = {"privsep": 1, **sent, "secret": call.state.uuid()}
    info: dict[str, Any] = {"privsep": 1, **{key: str(value) for key, value in sent.items()}}
    return {"full-tokenid": f"{userid}!{tokenid}", "value": found[tokenid]["secret"], "info": info}


@serves("PUT", TOKEN)
def update_token(call: Call) -> dict[str, Any]:
    found = _token(call)
    for key in split_list(call.params.get("delete", "")):
        if key != "comment":
            text = f"400 Parameter verification failed.\ndelete: unknown option '{key}'"
            raise Died(f"updating token info failed: {text}")
        found.pop("comment", None)
    sent: dict[str, Any] = {key: call.params[key] for key in TOKEN_FIELDS if key in call.params}
    found |= sent
    answer: dict[str, Any] = _token_fields(found) | {key: str(value) for key, value in sent.items() if value != ""}
    if call.params.get("regenerate"):
        found["secret"] = call.state.uuid()
        name = f"{call.params['userid']}!{call.params['tokenid']}"
        return answer | {"full-tokenid": name, "value": found["secret"]}
    return answer


@serves("DELETE", TOKEN)
def delete_token(call: Call) -> None:
    _token(call)
    userid, tokenid = call.params["userid"], call.params["tokenid"]
    del call.state.users[userid]["tokens"][tokenid]
    call.state.acl[:] = [entry for entry in call.state.acl if entry["ugid"] != f"{userid}!{tokenid}"]


# groups


@serves("GET", "/access/groups")
def groups(call: Call) -> list[dict[str, Any]]:
    return [
        {"groupid": name, "users": ",".join(sorted(group.get("members", []))), **_comment(group)}
        for name, group in call.state.groups.items()
        if call.may(f"/access/groups/{name}", "User.Modify", "Sys.Audit", "Group.Allocate", some=True)
    ]


def _comment(found: dict[str, Any]) -> dict[str, Any]:
    return {"comment": found["comment"]} if found.get("comment") else {}


def _group(call: Call, prefix: str = "") -> dict[str, Any]:
    name = call.params["groupid"]
    if name not in call.state.groups:
        raise Died(f"{prefix}group '{name}' does not exist")
    return call.state.groups[name]


@serves("GET", "/access/groups/{groupid}")
def group(call: Call) -> dict[str, Any]:
    found = _group(call)
    return {"members": sorted(found.get("members", [])), **_comment(found)}


@serves("POST", "/access/groups")
def create_group(call: Call) -> None:
    name = call.params["groupid"]
    call.cluster_write("create group failed: ", "user_cfg")
    if name in call.state.groups:
        raise Died(f"create group failed: group '{name}' already exists")
    call.state.groups[name] = {"members": [], "comment": call.params.get("comment", "")}


@serves("PUT", "/access/groups/{groupid}")
def update_group(call: Call) -> None:
    found = _group(call, "update group failed: ")
    found["comment"] = call.params.get("comment", found.get("comment", ""))


@serves("DELETE", "/access/groups/{groupid}")
def delete_group(call: Call) -> None:
    _group(call, "delete group failed: ")
    name = call.params["groupid"]
    del call.state.groups[name]
    call.state.acl[:] = [e for e in call.state.acl if (e["type"], e["ugid"]) != ("group", name)]


# roles


@serves("GET", "/access/roles")
def roles(call: Call) -> list[dict[str, Any]]:
    built_in = [(name, privs, 1) for name, privs in BUILT_IN_ROLES.items()]
    own = [(name, frozenset(privs), 0) for name, privs in call.state.roles.items()]
    return [{"roleid": name, "privs": ",".join(sorted(p)), "special": special} for name, p, special in built_in + own]


@serves("GET", "/access/roles/{roleid}")
def role(call: Call) -> dict[str, int]:
    name = call.params["roleid"]
    if name not in BUILT_IN_ROLES and name not in call.state.roles:
        raise Died(f"role '{name}' does not exist")
    return dict.fromkeys(sorted(call.permissions.role(name)), 1)


@serves("POST", "/access/roles")
def create_role(call: Call) -> None:
    name = call.params["roleid"]
    if name.lower().startswith("pve") and name not in BUILT_IN_ROLES:
        raise BadParameter(roleid="cannot use role ID starting with the (case-insensitive) 'PVE' namespace")
    call.cluster_write("create role failed: ", "user_cfg")
    if name in call.state.roles or name in BUILT_IN_ROLES:
        raise Died(f"create role failed: role '{name}' already exists")
    call.state.roles[name] = set(split_list(call.params.get("privs", "")))


@serves("PUT", "/access/roles/{roleid}")
def update_role(call: Call) -> None:
    name = call.params["roleid"]
    if name in BUILT_IN_ROLES:
        raise Died(f"auto-generated role '{name}' cannot be modified")
    if name not in call.state.roles:
        raise Died(f"update role failed: role '{name}' does not exist")
    kept = call.state.roles[name] if call.params.get("append") else set()
    call.state.roles[name] = kept | set(split_list(call.params.get("privs", "")))


@serves("DELETE", "/access/roles/{roleid}")
def delete_role(call: Call) -> None:
    name = call.params["roleid"]
    if name in BUILT_IN_ROLES:
        raise Died(f"auto-generated role '{name}' cannot be deleted")
    if name not in call.state.roles:
        raise Died(f"delete role failed: role '{name}' does not exist")
    del call.state.roles[name]
    call.state.acl[:] = [entry for entry in call.state.acl if entry["roleid"] != name]


# ACLs


@serves("GET", "/access/acl")
def acl(call: Call) -> list[dict[str, Any]]:
    """Each entry is for those who may change it, or who may audit access."""
    audit = call.may("/access", "Sys.Audit", "Permissions.Modify", some=True)
    return [
        {key: entry[key] for key in ("path", "type", "ugid", "roleid", "propagate")}
        for entry in call.state.acl
        if audit or call.may(entry["path"], "Permissions.Modify")
    ]


@serves("PUT", "/access/acl")
def update_acl(call: Call) -> None:
    params = call.params
    subjects = [(kind, name) for kind in ("user", "group", "token") for name in split_list(params.get(f"{kind}s", ""))]
    if not subjects:
        text = "either 'users', 'groups' or 'tokens' is required."
        raise BadParameter(users=text, groups=text, tokens=text)
    path = normal_path(params["path"])
    if not ACL_PATH.fullmatch(path):
        raise BadParameter(path=f"invalid ACL path '{params['path']}'")
    call.cluster_write("ACL update failed: ", "user_cfg")
    names = split_list(params["roles"])
    for name in names:
        _check_grant(call, path, name)
    for kind, name in subjects:
        _check_subject(call, kind, name)
    for kind, name in subjects:
        for role_name in names:
            _write_entry(
                call,
                {
                    "path": path,
                    "type": kind,
                    "ugid": name,
                    "roleid": role_name,
                    "propagate": int(params.get("propagate", 1)),
                },
                delete=bool(params.get("delete")),
            )


def _write_entry(call: Call, entry: dict[str, Any], *, delete: bool) -> None:
    def same(other: dict[str, Any]) -> bool:
        return all(other[key] == entry[key] for key in ("path", "type", "ugid", "roleid"))

    call.state.acl[:] = [other for other in call.state.acl if not same(other)]
    if not delete:
        call.state.acl.append(entry)


def _check_grant(call: Call, path: str, name: str) -> None:
    """Who may not modify permissions may only pass on what they hold."""
    if name not in BUILT_IN_ROLES and name not in call.state.roles:
        raise Died(f"ACL update failed: role '{name}' does not exist")
    if call.may(path, "Permissions.Modify") or call.caller.is_root:
        return
    held = call.permissions.at(path)
    if not set(call.permissions.role(name)) <= set(held):
        text = f"Cannot add role '{name}' - requires 'Permissions.Modify' or superset of privileges."
        raise Refusal(500, f"ACL update failed: 400 Parameter verification failed.\nrole: {text}")


def _check_subject(call: Call, kind: str, name: str) -> None:
    if kind == "group" and name not in call.state.groups:
        raise Died(f"ACL update failed: group '{name}' does not exist")
    user, _unused, token_name = name.partition("!")
    if kind != "group" and user not in call.state.users:
        raise Died(f"ACL update failed: user '{user}' does not exist")
    if kind == "token" and token_name not in call.state.users[user].get("tokens", {}):
        raise Died(f"ACL update failed: no such token '{token_name}' for user '{user}'")


# realms


@serves("GET", "/access/domains")
def domains(call: Call) -> list[dict[str, Any]]:
    shown = ("type", "comment", "default", "tfa")
    return [{"realm": name, **{k: realm[k] for k in shown if k in realm}} for name, realm in call.state.domains.items()]


@serves("GET", "/access/domains/{realm}")
def domain(call: Call) -> dict[str, Any]:
    name = call.params["realm"]
    if name not in call.state.domains:
        raise Died(f"domain '{name}' does not exist")
    shown = {key: value for key, value in call.state.domains[name].items() if key != "password"}
    return shown | {"digest": section_digest(call.state.domains)} | ({"plugin": "pam"} if name == "pam" else {})


@serves("GET", "/access")
def index(_call: Call) -> list[dict[str, str]]:
    names = ("users", "groups", "domains", "openid", "tfa", "roles", "acl", "password", "permissions", "ticket")
    return [{"subdir": name} for name in names]
