# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the disks of a host say of their health. It changes nothing. A disk that cannot be read is never a healthy one.

Documents and exit statuses: smartctl 7.3 and 7.4.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .._errors import ApiError, BadInput, Unreachable
from .._host.health import DEVICE
from .._names import Rule
from .._plan import Plan
from .._world import World

OPTIONS: dict[str, dict[str, Any]] = {"disks": {"type": "list", "elements": "str", "default": ["all"]}}

_DISK = Rule(
    re.compile(DEVICE), 255, "a disk is /dev/sda, /dev/nvme0, or a name in /dev/disk/by-id or /dev/disk/by-path"
)
_NAMESPACE = re.compile("(?<=[0-9])n[0-9]+$")
#: the bits of the exit status, from the lowest: name, and what it says against the disk
_BITS = (
    ("usage", ""),
    ("open", ""),
    ("command", "some commands failed, so that not everything is known"),
    ("failing", "the disk says that it is failing"),
    ("prefail", "attributes are at or below their threshold"),
    ("was_prefail", "attributes have been at or below their threshold"),
    ("error_log", "the disk has logged errors"),
    ("self_test_log", "self-tests have failed"),
)
_UNREAD = 0b11
_FAILING = {"failing", "prefail"}
#: attributes of ATA disks whose value counts down from 100 as they wear
_LIFE_LEFT = {
    "Media_Wearout_Indicator",
    "Percent_Lifetime_Remain",
    "Remaining_Lifetime_Perc",
    "SSD_Life_Left",
    "Wear_Leveling_Count",
}
_HINTS = {
    "Unknown USB bridge": "smartctl does not know how to ask the disk behind it",
    "Permission denied": "Log in as root, or use runner: sudo",
}


def plan(wanted: Mapping[str, Any], node: str, world: World) -> Plan:
    """No step."""
    named = list(dict.fromkeys(wanted["disks"]))
    if named == ["all"]:
        named, unread = _scan(world)
    else:
        named, unread = [_check(name) for name in named], []
    disks: list[dict[str, Any]] = []
    for device in named:
        row = _disk(device, world)
        (unread if "why" in row else disks).append(row)
    warnings = [f"{row['device']} on {node} could not be read: {row['why']}" for row in unread]
    if not disks and not unread:
        warnings.append(f"smartctl finds no disk on {node}")
    return Plan(
        summary=f"{len(disks)} disks read on {node}, {len(unread)} not",
        warnings=warnings,
        result={"smart": {"disks": disks, "unread": unread}},
    )


def _check(name: str) -> str:
    if name == "all":
        raise BadInput("smart.disks: 'all' is not valid beside names of disks")
    return _DISK.check("smart.disks", name)


def _scan(world: World) -> tuple[list[str], list[dict[str, Any]]]:
    """The disks that smartctl finds or that the kernel has, and those that are found and out of reach here."""
    found = world.get("smartctl --scan")
    if found["exit_status"] & _UNREAD:
        raise ApiError(f"smartctl --scan failed: {_messages(found['document'])}")
    rows = found["document"].get("devices", [])
    names = [row["name"] for row in rows]
    # of an NVMe disk the scan has the controller, the kernel the namespace
    names += [name for name in world.get("lsblk") if name not in names and _NAMESPACE.sub("", name) not in names]
    others = [
        {"device": row["name"], "why": f"it is behind a controller ({row.get('type')}), which is not asked"}
        for row in rows
        if not re.fullmatch(DEVICE, row["name"])
    ]
    return [name for name in dict.fromkeys(names) if re.fullmatch(DEVICE, name)], others


def _disk(device: str, world: World) -> dict[str, Any]:
    """One disk; or `why` it could not be read."""
    try:
        found = world.get("smartctl -a", device=device)
    except (ApiError, Unreachable) as error:
        return {"device": device, "why": str(error)}
    status, document = found["exit_status"], found["document"]
    if status & _UNREAD:
        said = _messages(document)
        hint = "".join(f". {hint}" for text, hint in _HINTS.items() if text in said)
        return {"device": device, "exit_status": status, "why": f"{said}{hint}"}
    bits = [name for bit, (name, _says) in enumerate(_BITS) if status >> bit & 1]
    failed = _failed_attributes(document)
    return {
        "device": device,
        "model": document.get("model_name") or document.get("scsi_model_name"),
        "serial": document.get("serial_number"),
        "exit_status": status,
        "bits": bits,
        "health": _health(document, bits),
        "reasons": _reasons(document, bits, failed),
        "temperature": document.get("temperature", {}).get("current"),
        "power_on_hours": document.get("power_on_time", {}).get("hours"),
        "wear": _wear(document),
        "failed_attributes": failed,
        "document": document,
    }


def _messages(document: Mapping[str, Any]) -> str:
    said = [row["string"] for row in document.get("smartctl", {}).get("messages", [])]
    return "; ".join(said) or "smartctl does not say why"


def _health(document: Mapping[str, Any], bits: list[str]) -> str:
    passed = document.get("smart_status", {}).get("passed")
    if passed is False or _FAILING & set(bits):
        return "failing"
    return "passed" if passed else "unknown"


def _reasons(document: Mapping[str, Any], bits: list[str], failed: list[dict[str, Any]]) -> list[str]:
    """Everything that speaks against the disk, or against knowing that it is well."""
    status, support = document.get("smart_status"), document.get("smart_support", {})
    nvme = (status or {}).get("nvme", {})
    unknown = "SMART is switched off" if support.get("enabled") is False else "the disk gives no status"
    return [
        *(says for name, says in _BITS if name in bits),
        *(name.replace("_", " ") for name, is_so in nvme.items() if is_so is True),
        *(f"{row['name']} has failed: {row['when_failed']}" for row in failed),
        *([] if status else [unknown]),
    ]


def _failed_attributes(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    rows = document.get("ata_smart_attributes", {}).get("table", [])
    keys = ("id", "name", "value", "worst", "thresh", "when_failed")
    return [{key: row.get(key) for key in keys} for row in rows if row.get("when_failed")]


def _wear(document: Mapping[str, Any]) -> int | None:
    """Percent of its life that the disk has used, where it says so."""
    log = document.get("nvme_smart_health_information_log", {})
    said = log.get("percentage_used", document.get("scsi_percentage_used_endurance_indicator"))
    left = [
        row["value"]
        for row in document.get("ata_smart_attributes", {}).get("table", [])
        if row.get("name") in _LIFE_LEFT
    ]
    return 100 - min(left) if said is None and left else said
