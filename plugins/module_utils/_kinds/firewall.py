# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Firewall objects of the cluster."""

from __future__ import annotations

import re

from .._blast_of.aliases import alias_change
from .._codec import LOWER
from .._kind import Call, Field, Kind
from .._names import Rule
from .._privileges import Need

_NAME = Rule(
    re.compile(r"[A-Za-z][A-Za-z0-9_-]+"),
    64,
    "a name begins with a letter and has 2 to 64 letters, digits, dashes and underscores",
)


# PUT replaces: a comment that is not sent is lost. Names ignore case. The digest is only in the list. DELETE of a
# missing one is 200, and an alias in use is deleted all the same.
ALIAS = Kind(
    name="firewall_alias",
    title="firewall alias {name}",
    fields={
        "name": Field({"type": "str", "required": True}, LOWER, key=True, check=_NAME.check),
        "cidr": Field({"type": "str"}, needed=True),
        "comment": Field({"type": "str"}, implied=""),
    },
    list_path="/cluster/firewall/aliases",
    create=Call("POST", "/cluster/firewall/aliases"),
    update=Call("PUT", "/cluster/firewall/aliases/{name}", keys=False),
    delete=Call("DELETE", "/cluster/firewall/aliases/{name}", keys=False),
    writes=lambda _values: (Need("/", ("Sys.Modify",)),),
    feels=("others", "firewall alias {name}"),
    replaces=True,
    guards=("update", "delete"),
    blast=alias_change,
)
