# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Access control: entries that give a role on a path to a user, a group or a token."""

from __future__ import annotations

from typing import Any

from .._blast_of.access import acl_entry
from .._codec import BOOL, Codec
from .._kind import Call, Field, Kind, Values
from .._privileges import Need


def _path(value: Any) -> str:
    """The server adds the leading slash and cuts the trailing one."""
    return "/" + str(value).strip("/")


def _wire(values: Values) -> dict[str, Any]:
    """PUT /access/acl names the subject by its kind: users, groups or tokens."""
    data = {"path": values["path"], f"{values['type']}s": values["ugid"], "roles": values["roleid"]}
    return data if values.get("propagate") is None else {**data, "propagate": values["propagate"]}


# pve-access-control, check_perm_modify: below these paths the right to allocate is enough
_ENOUGH = {"/storage/": "Datastore.Allocate", "/vms/": "VM.Allocate", "/pool/": "Pool.Allocate"}


def _may_modify(values: Values) -> tuple[Need, ...]:
    also = tuple(name for prefix, name in _ENOUGH.items() if values["path"].startswith(prefix))
    return (Need(values["path"], ("Permissions.Modify", *also)),)


# No item, no digest: one list, one PUT for everything, removal is a PUT with delete=1. A weak reader sees less.
ACL = Kind(
    name="acl",
    title="acl {path} {ugid} {roleid}",
    fields={
        "path": Field({"type": "str", "required": True}, Codec(_path, _path), key=True),
        "type": Field({"type": "str", "required": True, "choices": ["user", "group", "token"]}, key=True),
        "ugid": Field({"type": "str", "required": True}, key=True),
        "roleid": Field({"type": "str", "required": True}, key=True),
        "propagate": Field({"type": "bool", "default": True}, BOOL, implied=True),
    },
    list_path="/access/acl",
    create=Call("PUT", "/access/acl"),
    update=Call("PUT", "/access/acl"),
    delete=Call("PUT", "/access/acl", {"delete": 1}),
    writes=_may_modify,
    feels=("principals", "{ugid}"),
    # whoever may only give the right away (VM.Allocate ...) does not see the entry
    sees=(Need("/access", ("Sys.Audit", "Permissions.Modify")), Need("{path}", ("Permissions.Modify",))),
    risk={
        "create": ("medium", "{ugid} is given {roleid} on {path}"),
        "update": ("medium", "{ugid} keeps {roleid} on {path}, with another reach"),
        "delete": ("high", "{ugid} loses {roleid} on {path}"),
    },
    wire=_wire,
    blast=acl_entry,
)
