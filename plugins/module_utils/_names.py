# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names as Proxmox takes them, checked before anything is sent (pve-common: PVE::JSONSchema formats)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from ._errors import BadInput

#: how a value begins that a --check run can only name
SYMBOL = "(known after apply: "


@dataclass(frozen=True)
class Rule:
    """What a name may look like, and how to say it."""

    pattern: re.Pattern[str]
    longest: int
    allowed: str

    def check(self, option: str, value: str) -> str:
        """`value`, or BadInput naming the option, the value and what is allowed."""
        if len(value) > self.longest or not self.pattern.fullmatch(value):
            raise BadInput(f"{option}: {value[:80]!r} is not valid: {self.allowed}")
        return value


_DNS_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"

NODE = Rule(
    re.compile(r"[A-Za-z0-9._-]+"), 256, "a node name has letters, digits, dot, dash and underscore, at most 256"
)
HOSTNAME = Rule(
    re.compile(rf"{_DNS_LABEL}(?:\.{_DNS_LABEL})*"), 253, "a DNS name has labels of letters, digits and dashes"
)
STORAGE = Rule(
    re.compile(r"[A-Za-z][A-Za-z0-9._-]*[A-Za-z0-9]"),
    100,
    "a storage id begins with a letter and has letters, digits, dot, dash, underscore",
)
SNAPSHOT = Rule(
    re.compile(r"[A-Za-z][A-Za-z0-9_-]+"),
    40,
    "a snapshot name has 2 to 40 letters, digits, dashes and underscores and begins with a letter",
)
POOL = Rule(
    re.compile(r"[A-Za-z0-9._-]+(?:/[A-Za-z0-9._-]+){0,2}"),
    256,
    "a pool id has letters, digits, dot, dash, underscore; at most three levels with /",
)
USER = Rule(
    re.compile(r"[^\s:/]+@[A-Za-z][A-Za-z0-9._-]+"),
    64,
    "a user is NAME@REALM, at most 64 characters, for example ci@pve",
)
TOKEN = Rule(
    re.compile(r"[A-Za-z][A-Za-z0-9._-]+"),
    64,
    "a token name has 2 to 64 letters, digits, dots, dashes and underscores and begins with a letter",
)
MAC = Rule(
    re.compile(r"[0-9A-Fa-f][02468ACEace](?::[0-9A-Fa-f]{2}){5}"), 17, "a unicast MAC address such as BC:24:11:00:00:01"
)
VOLID = Rule(  # or one that an earlier task of a --check run would make
    re.compile(rf"[A-Za-z][A-Za-z0-9._-]*:(?:[^\s\x00-\x1f]+|{re.escape(SYMBOL)}[^)]*\))"),
    512,
    "a volume id is STORAGE:PATH without blanks",
)
SLOT = {
    "net": Rule(re.compile(r"net(?:[0-9]|[12][0-9]|3[01])"), 5, "net0 to net31"),
    "mp": Rule(re.compile(r"mp(?:[0-9]|[1-9][0-9]|1[0-9]{2}|2[0-4][0-9]|25[0-5])"), 5, "mp0 to mp255"),
}

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_BREAK = re.compile(r"[\t\n]")


def check_vmid(option: str, value: int) -> int:
    if not 100 <= value <= 999999999:
        raise BadInput(f"{option}: {value} is not valid: a guest id is between 100 and 999999999")
    return value


def check_text(option: str, value: str, one_line: bool = True) -> str:
    """Free text without control characters."""
    if _CONTROL.search(value) or (one_line and _BREAK.search(value)):
        raise BadInput(f"{option}: {value[:80]!r} has control characters")
    return value


def segment(value: Any) -> str:
    """One segment of an API path, quoted. Raises BadInput on what no object of Proxmox can be called."""
    text = str(value)
    if not text or len(text) > 512 or _CONTROL.search(text) or _BREAK.search(text) or text in (".", ".."):
        raise BadInput(f"{text[:80]!r} cannot be part of an API path")
    return quote(text, safe=":@!+,=~()")
