# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Operations that read the health of a host: smartctl (7.3, 7.4) and sensors (3.6.0, 3.6.2). Pure."""

from __future__ import annotations

import json
import re
from typing import Any

from .._errors import ApiError
from .command import Outcome
from .operation import Operation, Parameter

_NAME = "[A-Za-z0-9][A-Za-z0-9._:+-]*"
#: whole disks and the names that udev gives them
DEVICE = f"/dev/(sd[a-z]{{1,2}}|nvme[0-9]{{1,3}}(n[0-9]{{1,3}})?|disk/by-(id|path)/{_NAME})"
# what sensors prints and JSON does not know: a comma after the last key (3.6.0, where features are ignored), and values
# that are no numbers. Strings are matched first, and stay
_NOT_JSON = re.compile(r'("(?:[^"\\]|\\.)*")|(,)(?=\s*[}\]])|-?\b(?:nan|inf)\b')


def _is_document(outcome: Outcome) -> bool:
    """smartctl says also in a document, with an empty stderr, that it could not do it: its status has the bits."""
    return outcome.stdout.lstrip().startswith("{")


def smart_of(outcome: Outcome) -> dict[str, Any]:
    """The document of smartctl, with its exit status."""
    return {"exit_status": outcome.status, "document": _object("smartctl", outcome.stdout)}


def disks_of(outcome: Outcome) -> list[str]:
    """The block devices that are disks and have a medium."""
    rows = _object("lsblk", outcome.stdout).get("blockdevices", [])
    return [row["name"] for row in rows if row["type"] == "disk" and int(row["size"]) > 0]


def _has_sensors(outcome: Outcome) -> bool:
    return outcome.status == 0 or (outcome.status == 1 and "No sensors found" in outcome.stderr)


def sensors_of(outcome: Outcome) -> dict[str, Any]:
    """The chips, and what sensors complained of. A host without any has none."""
    if outcome.status != 0:
        return {"chips": {}, "complaints": []}
    text = _NOT_JSON.sub(lambda found: found[1] or ("" if found[2] else "null"), outcome.stdout)
    chips = _object("sensors", text)
    return {"chips": chips, "complaints": outcome.stderr.strip().splitlines()}


def _object(program: str, text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise ApiError(f"{program} printed what is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise ApiError(f"{program} printed JSON that is not an object: {text[:200]!r}")
    return found


SMART = (
    # what the scan leaves out, such as a USB disk that smartctl cannot ask, is known to the kernel all the same
    Operation(
        "lsblk",
        "lsblk",
        ("--json", "--nodeps", "--paths", "--bytes", "--output", "NAME,TYPE,SIZE"),
        writes=False,
        as_root=False,
        answer=disks_of,
    ),
    Operation("smartctl --scan", "smartctl", ("--scan", "-j"), writes=False, answers=_is_document, answer=smart_of),
    Operation(
        "smartctl -a",
        "smartctl",
        ("-a", "-j", Parameter("device", DEVICE)),
        writes=False,
        # a disk that is about to fail takes its time
        timeout=120,
        answers=_is_document,
        answer=smart_of,
    ),
)
SENSORS = (
    Operation("sensors", "sensors", ("-j",), writes=False, as_root=False, answers=_has_sensors, answer=sensors_of),
)
