# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option `cloud_init`: what a task says in one place and the API in a dozen keys and a drive."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .._errors import BadInput
from .options import is_cloudinit

_TEXT = {"type": "str"}
_TEXTS = {"type": "list", "elements": "str"}

SPEC: dict[str, Any] = {
    "type": "dict",
    "options": {
        "slot": {"type": "str", "default": "ide2"},
        "storage": _TEXT,
        "user": _TEXT,
        "password": {"type": "str", "no_log": True},
        "update_password": {"type": "str", "choices": ["on_create", "always"], "default": "on_create"},
        "ssh_keys": {**_TEXTS, "no_log": False},
        "ip": {
            "type": "list",
            "elements": "dict",
            "options": {"slot": {"type": "str", "required": True}, **dict.fromkeys(("gw", "gw6", "ip", "ip6"), _TEXT)},
        },
        "nameserver": _TEXTS,
        "searchdomain": _TEXTS,
        "type": {"type": "str", "choices": ["configdrive2", "nocloud", "opennebula"]},
        "upgrade": {"type": "bool"},
        "custom": {"type": "dict", "options": dict.fromkeys(("meta", "network", "user", "vendor"), _TEXT)},
    },
}

#: what the option holds -> key of the configuration
KEYS = {
    "user": "ciuser",
    "password": "cipassword",
    "ssh_keys": "sshkeys",
    "ip": "ipconfig[n]",
    "nameserver": "nameserver",
    "searchdomain": "searchdomain",
    "type": "citype",
    "upgrade": "ciupgrade",
    "custom": "cicustom",
}


_ADDRESS = re.compile(r"ipconfig\d+")
_SSH_KEY = re.compile(r"(?:^|\s)(?:ssh|ecdsa|sk)-[\w@.-]+\s+[A-Za-z0-9+/]{16,}={0,3}(?:\s|$)")
_DRIVE = re.compile(r"(?:ide|sata|scsi)\d+")


def keys(wanted: Mapping[str, Any], have: Mapping[str, Any]) -> dict[str, Any]:
    """What the option says, as keys of the configuration; the drive apart.

    The server never shows a password, so one that is there counts as the wanted one unless the task sets it always.
    """
    said = {KEYS[option]: value for option, value in wanted.items() if option in KEYS and value is not None}
    for element in said.pop(KEYS["ip"], []):
        slot = _checked("cloud_init.ip.slot", element["slot"], _ADDRESS, "ipconfig0 to ipconfig31")
        said[slot] = {key: item for key, item in element.items() if item is not None and key != "slot"}
    for key in said.get("sshkeys", []):
        if not _SSH_KEY.search(str(key)):
            raise BadInput(
                f"cloud_init.ssh_keys: '{str(key)[:60]}' is not the line of a public key: TYPE BASE64 [COMMENT]"
            )
    password = said.pop("cipassword", None)
    if password and ("cipassword" not in have or wanted.get("update_password") == "always"):
        said["cipassword"] = password
    return said


def drive(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The drive by its slot, where the task names the storage for its volume."""
    if not wanted.get("storage"):
        return {}
    slot = _checked("cloud_init.slot", wanted.get("slot") or "ide2", _DRIVE, "a slot of ide, sata or scsi")
    return {slot: {"volume": f"{wanted['storage']}:cloudinit", "media": "cdrom"}}


def drive_of(config: Mapping[str, Any]) -> str:
    """The slot of the drive in a configuration, or ""."""
    return next((key for key, text in config.items() if _DRIVE.fullmatch(key) and is_cloudinit(str(text))), "")


def unread(target: str, config: Mapping[str, Any]) -> list[str]:
    """The warning about a guest that has no such drive."""
    lacking = f"{target} has no cloud-init drive, so nothing reads its cloud_init: give cloud_init.storage"
    return [] if drive_of(config) else [lacking]


def _checked(option: str, slot: str, pattern: re.Pattern[str], allowed: str) -> str:
    if not pattern.fullmatch(slot):
        raise BadInput(f"{option}: '{slot}' is not valid: {allowed}")
    return slot
