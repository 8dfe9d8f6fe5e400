# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What commands inside of nodes and guests printed, as flags. A command that was not run or failed is one too. Pure.

A look is the result of a task with the `check` that it was for and its `subject`, as the role `diagnose` makes them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from .flags import CRITICAL, UNREAD, WARNING, Flag, Limits, filled, graded, percent

Look = Mapping[str, Any]
Judge = Callable[[Look, Limits], list[Flag]]

#: so many lines of an output are kept as evidence
_KEPT, _LONGEST = 40, 400
#: what nobody writes to; a container's own file system may be on a loop device, and /tmp may be a tmpfs
_NO_DISK = re.compile(r"devtmpfs|udev|none|efivarfs|overlay|cgroup\w*")
_READ_ONLY = re.compile(r"/snap/.+|/media/cdrom.*")
_DF = re.compile(r"(?P<name>\S.*?)\s+\d+\s+(?P<used>\d+)\s+(?P<free>-?\d+)\s+(?:\d+%|-)\s+(?P<mounted>/.*)")
#: what a terminal is told, and what ssh says at its end: `raw` gets one from some connections
_TERMINAL = re.compile(
    r"\x1b(?:\[[0-9;?]*[A-Za-z]|\][^\x07\x1b]*(?:\x07|\x1b\\))|^(?:Shared c|C)onnection to \S+ closed\.?$"
)
_DATED = re.compile(r"\d{4}-\d\d-\d\dT")
#: journalctl shows what it may, and says on the side that there is more
_NOT_ALL = re.compile(r"not seeing messages from other users|insufficient permissions|No journal files were")
_ERROR = r"(?i)\b(?:error|fatal|panic|critical|segfault|out of memory)\b"


def inside(looks: Iterable[Look], limits: Limits) -> tuple[list[Flag], dict[str, Any]]:
    """The flags, and by subject and check what was printed."""
    flags: list[Flag] = []
    evidence: dict[str, Any] = {}
    for look in looks:
        check, subject, gap = look["check"], look["subject"], _gap(look)
        evidence.setdefault(subject, {})[look.get("name") or check] = None if gap else _kept(look)
        flags += [Flag(UNREAD, check, _named(look), gap)] if gap else _judged(look, limits)
    return flags, evidence


def _judged(look: Look, limits: Limits) -> list[Flag]:
    try:
        return JUDGES[look["check"]](look, limits)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        return [_flag(UNREAD, look, f"what was read is not understood: {error!r}")]


def _gap(look: Look) -> str:
    """Why there is nothing to judge; "" where there is."""
    if look.get("unreachable"):
        return f"could not be reached: {_first(look.get('msg'))}"
    module = look["check"] in _MODULES
    if module and look["check"] in look:
        return ""
    if module or look.get("rc") is None:
        return f"could not be looked at: {_first(look.get('msg')) or 'the task was not run'}"
    if look["rc"] == 0 or (look["check"] in _TELLS_ANYHOW and _lines(look)):
        return ""
    said = _first(look.get("stderr")) or _first(look.get("stdout")) or "it said nothing"
    return f"could not be looked at: the command ended with {look['rc']}: {said}"


def _first(text: Any) -> str:
    return next(iter(_plain(text)), "").strip()[:_LONGEST]


def _lines(look: Look) -> list[str]:
    return _plain(look.get("stdout"))


def _plain(text: Any) -> list[str]:
    lines = (_TERMINAL.sub("", line) for line in str(text or "").splitlines())
    return [line for line in lines if line.strip()]


def _kept(look: Look) -> Any:
    return look[look["check"]] if look["check"] in _MODULES else [line[:_LONGEST] for line in _lines(look)[-_KEPT:]]


def _named(look: Look, what: str = "") -> str:
    """The subject, with the file or database that is meant, or what of it."""
    part = what or look.get("name")
    return f"{part} in {look['subject']}" if part else str(look["subject"])


def _flag(level: str, look: Look, what: str, evidence: Any = None, part: str = "") -> Flag:
    return Flag(level, look["check"], _named(look, part), what, evidence)


def units(look: Look, _limits: Limits) -> list[Flag]:
    """`systemctl list-units --failed --plain --no-legend`: a line for each; no line is the good case."""
    return [_flag(WARNING, look, "has failed", line.strip(), line.split()[0]) for line in _lines(look)]


def disks(look: Look, limits: Limits) -> list[Flag]:
    """`df -P`, of space or of inodes. Where one mount point is broken, it lists the others and ends with 1."""
    rows = [found for line in _lines(look) if (found := _DF.fullmatch(line.strip()))]
    flags = []
    if not rows or look["rc"] != 0:
        said = _first(look.get("stderr")) or "its output is not understood"
        flags.append(_flag(UNREAD, look, f"not every file system was read: {said}", _lines(look)[:5]))
    for row in rows:
        if _NO_DISK.fullmatch(row["name"]) or _READ_ONLY.fullmatch(row["mounted"]):
            continue
        used, free = int(row["used"]), max(int(row["free"]), 0)
        flags += filled(look["check"], _named(look, row["mounted"]), used, used + free, limits)
    return flags


def memory(look: Look, limits: Limits) -> list[Flag]:
    """/proc/meminfo, where `MemAvailable` is what can still be had without swapping."""
    sizes = {name: int(size) for name, size in re.findall(r"^(\w+):\s+(\d+)", str(look["stdout"]), re.MULTILINE)}
    total, free = sizes.get("MemTotal"), sizes.get("MemAvailable")
    if not total or free is None:
        return [_flag(UNREAD, look, "/proc/meminfo is not understood", _lines(look)[:5])]
    share = percent(total - free, total)
    level = graded(share, limits.memory, limits.memory_critical)
    known = {"total": total * 1024, "available": free * 1024}
    return [_flag(level, look, f"{share:.1f} % of its memory is in use", known)] if level else []


def journal(look: Look, _limits: Limits) -> list[Flag]:
    """`journalctl -p err -o short-iso`: a line for each error, the newest last; what goes on in a line is indented."""
    flags, lines = [], [line for line in _lines(look) if _DATED.match(line)]
    if lines:
        what = f"has {len(lines)} errors, the last: {lines[-1][:_LONGEST]}"
        flags.append(_flag(WARNING, look, what, lines[-5:]))
    hints = [line for line in (*_lines(look), *_plain(look.get("stderr"))) if _NOT_ALL.search(line)]
    if hints:
        flags.append(_flag(UNREAD, look, f"not all of it can be seen: {hints[0].strip()}"))
    return flags


def log(look: Look, _limits: Limits) -> list[Flag]:
    """The end of a file, and the lines of it that look like errors."""
    found = [line for line in _lines(look) if re.search(look.get("pattern") or _ERROR, line)]
    if not found:
        return []
    what = f"{len(found)} of its last lines look like errors, the last: {found[-1][:_LONGEST]}"
    return [_flag(WARNING, look, what, found[-5:])]


def psql(look: Look, _limits: Limits) -> list[Flag]:
    """The rows of a query; where it says what to expect, they have to look like that."""
    expected, rows = look.get("expect"), "\n".join(_lines(look))
    if not expected or re.search(expected, rows, re.MULTILINE):
        return []
    return [_flag(WARNING, look, f"does not answer what is expected: {_first(rows) or 'nothing'}", _kept(look))]


def smart(look: Look, _limits: Limits) -> list[Flag]:
    """What `privileged_host` read of the disks."""
    found = look["smart"]
    if not found["disks"] and not found["unread"]:
        return [_flag(UNREAD, look, "smartctl finds no disk: how they are is not known")]
    return [*_disks_of(look), *(_flag(UNREAD, look, row["why"], row, row["device"]) for row in found["unread"])]


def _disks_of(look: Look) -> Iterator[Flag]:
    levels = {"failing": CRITICAL, "unknown": UNREAD}
    for disk in look["smart"]["disks"]:
        known = {name: value for name, value in disk.items() if name != "document"}
        why = "; ".join(disk["reasons"])
        if disk["health"] in levels:
            level = levels[disk["health"]]
            yield _flag(level, look, f"its health is {disk['health']}: {why}".rstrip(": "), known, disk["device"])
        elif why:
            yield _flag(WARNING, look, f"passes, but {why}", known, disk["device"])


def sensors(look: Look, _limits: Limits) -> list[Flag]:
    """What `privileged_host` read of the sensors."""
    found = look["sensors"]
    if not found["chips"]:
        return [_flag(UNREAD, look, "has no sensors that can be read: how warm it is is not known")]
    return [
        *(_flag(CRITICAL, look, f"{row['what']} at {row['value']}", row, row["sensor"]) for row in found["alarms"]),
        *(_flag(UNREAD, look, text) for text in found["unread"]),
    ]


def nothing(_look: Look, _limits: Limits) -> list[Flag]:
    """Evidence alone."""
    return []


#: not what a command printed, but what a module returned
_MODULES = ("smart", "sensors")
#: these print what they know, and say by their status that it is not all
_TELLS_ANYHOW = ("disks", "inodes")
JUDGES: dict[str, Judge] = {
    "node": nothing,
    "inside": nothing,
    "units": units,
    "disks": disks,
    "inodes": disks,
    "memory": memory,
    "journal": journal,
    "ports": nothing,
    "log": log,
    "psql": psql,
    "smart": smart,
    "sensors": sensors,
}
