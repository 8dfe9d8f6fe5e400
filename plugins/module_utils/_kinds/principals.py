# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may be given something, and what can be given: users and roles. Tokens are in `_token`: they hold a secret."""

from __future__ import annotations

import re

from .._blast_of.principals import role_change, user_change
from .._codec import BOOL, INT, SET
from .._kind import Call, Field, Kind, Values
from .._names import USER as USER_ID
from .._names import Rule
from .._privileges import Need

_ROLE = Rule(
    re.compile(r"(?!(?i:pve|administrator$|noaccess$))[A-Za-z0-9._-]+"),
    64,
    "a role has letters, digits, dots, dashes and underscores, at most 64; PVE..., Administrator and NoAccess belong to"
    " Proxmox and cannot be changed",
)
_GROUP = Rule(re.compile(r"[A-Za-z0-9._-]+"), 64, "a group has letters, digits, dots, dashes and underscores")
_PRIVILEGE = Rule(re.compile(r"[A-Z][A-Za-z]*(?:\.[A-Za-z]+)+"), 64, "a privilege is written like VM.Config.CPU")
_MODIFY = Need("/access/groups", ("User.Modify",))


def _may_allocate(user: Values) -> tuple[Need, ...]:
    realm = str(user["userid"]).rpartition("@")[2]
    return Need(f"/access/realm/{realm}", ("Realm.AllocateUser",)), _MODIFY


# A user in no group that is readable is not listed. Deleting one that is missing is 200.
USER = Kind(
    name="user",
    title="user {userid}",
    fields={
        "userid": Field({"type": "str", "required": True}, key=True, check=USER_ID.check),
        "comment": Field({"type": "str"}, implied=""),
        "email": Field({"type": "str"}, implied=""),
        "firstname": Field({"type": "str"}, implied=""),
        "lastname": Field({"type": "str"}, implied=""),
        "enable": Field({"type": "bool"}, BOOL, implied=True),
        "expire": Field({"type": "int"}, INT, implied=0),
        "groups": Field({"type": "list", "elements": "str"}, SET, implied=[], check=_GROUP.check),
    },
    list_path="/access/users",
    list_with={"full": 1},
    create=Call("POST", "/access/users"),
    update=Call("PUT", "/access/users/{userid}", keys=False),
    delete=Call("DELETE", "/access/users/{userid}", keys=False),
    writes=_may_allocate,
    updates=lambda _user: (_MODIFY,),
    feels=("principals", "{userid}"),
    sees=(Need("/access/groups", ("User.Modify", "Sys.Audit")),),
    lost="the password, the tokens and the permissions of the user go with it",
    risk={"delete": ("high", "{userid}, its tokens and all its permissions are gone")},
    blast=user_change,
)

# PUT without `privs` empties a role. Everybody may read all roles.
ROLE = Kind(
    name="role",
    title="role {roleid}",
    fields={
        "roleid": Field({"type": "str", "required": True}, key=True, check=_ROLE.check),
        "privs": Field({"type": "list", "elements": "str"}, SET, needed=True, implied=[], check=_PRIVILEGE.check),
    },
    list_path="/access/roles",
    create=Call("POST", "/access/roles"),
    update=Call("PUT", "/access/roles/{roleid}", keys=False),
    delete=Call("DELETE", "/access/roles/{roleid}", keys=False),
    writes=lambda _role: (Need("/access", ("Sys.Modify",)),),
    feels=("others", "role {roleid}"),
    replaces=True,
    lost="Proxmox removes the entries that gave the role too",
    risk={"update": ("medium", "the role {roleid} means something else from now on")},
    blast=role_change,
)
