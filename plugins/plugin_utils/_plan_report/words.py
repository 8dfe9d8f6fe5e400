# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Words for people: values and lists as short text that cannot disturb a terminal, whatever they hold."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

# Cc control, Cf format (bidirectional overrides), Cs surrogates, Co private, Cn unassigned, Zl and Zp line ends
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_SHORT = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}
_CONTEXT = 8
_KINDS = {"guests": "guest", "nodes": "node", "storages": "storage", "principals": "principal", "mails": "mail"}
UNSEEN = "could not be seen: "


def visible(text: Any) -> str:
    """`text` on one line, with every character that prints nothing or steers the terminal written out."""
    return "".join(_escape(char) if unicodedata.category(char) in _UNSEEN else char for char in str(text))


def _escape(char: str) -> str:
    return _SHORT.get(char) or ascii(char)[1:-1]


def clip(text: Any, room: int) -> str:
    """`text`, visible, in `room` characters; where that cuts it, it ends in `...+N`, the number of characters cut."""
    shown = visible(text)
    if len(shown) <= room:
        return shown
    kept = max(0, room - len(f"...+{len(shown)}"))
    return f"{shown[:kept]}...+{len(shown) - kept}"


def value(item: Any) -> str:
    """One value of a plan as text."""
    if item is None:
        return "(unset)"
    if isinstance(item, str):
        return item or '""'
    return json.dumps(item, ensure_ascii=False, sort_keys=True, default=str)


def pair(before: Any, after: Any, room: int) -> tuple[str, str]:
    """Two values, each clipped; where they are long, from just before the place in which they begin to differ."""
    one, other = visible(value(before)), visible(value(after))
    same = next((place for place, (left, right) in enumerate(zip(one, other, strict=False)) if left != right), 0)
    if max(len(one), len(other)) > room and same > 2 * _CONTEXT:
        one, other = (f"...{text[same - _CONTEXT :]}" for text in (one, other))
    return clip(one, room), clip(other, room)


def listed(items: Sequence[Any], most: int = 6) -> str:
    """`a, b, c`, and how many more."""
    shown = [clip(item, 80) for item in items[:most]]
    return ", ".join([*shown, f"and {len(items) - most} more"] if len(items) > most else shown)


def counted(number: int, one: str) -> str:
    return f"{number} {one}{'' if number == 1 else 's'}"


def touched(blast: Mapping[str, Any]) -> str:
    """The blast radius in words."""
    parts = []
    for kind, one in _KINDS.items():
        items = blast.get(kind) or []
        if items:
            parts.append(f"{one if len(items) == 1 else counted(len(items), one)} {listed(items)}")
    if blast.get("others"):
        parts.append(listed(blast["others"]))
    return "; ".join(parts)


def unseen(plan: Mapping[str, Any]) -> str:
    """Why the blast radius is not complete; empty where it is."""
    if plan["blast_radius"].get("complete", False):
        return ""
    reasons = [reason.removeprefix(UNSEEN) for reason in plan["risk"]["reasons"] if reason.startswith(UNSEEN)]
    return f"could not see {listed(reasons)}" if reasons else "not everything that this touches could be seen"


def because(plan: Mapping[str, Any]) -> str:
    """The reasons for the risk, without those that `unseen` names."""
    return "; ".join(clip(reason, 200) for reason in plan["risk"]["reasons"] if not reason.startswith(UNSEEN))


def privilege(row: Mapping[str, Any]) -> str:
    """`VM.Allocate on /vms/9001`."""
    paths = [row["path"], *([row["or_path"]] if row.get("or_path") else [])]
    return f"{' or '.join(map(visible, row['any_of']))} on {' or '.join(map(visible, paths))}"
