# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an older version of PVE does not have yet: its description is the newest one's without these."""

from __future__ import annotations

from typing import Any

from .propertystring import Form
from .schema import Properties

VERSIONS = {
    "9.2": {"release": "9.2", "version": "9.2.11", "repoid": "14a22df35955d97d"},
    "8.4": {"release": "8.4", "version": "8.4.14", "repoid": "b502d23c55afcba1"},
}
# What 8.4 lacks: paths, options of guests, and keys inside the options' values.
PATHS = ("/cluster/ha/rules",)
OPTIONS = ("allow-ksm", "auto-rebalance", "entrypoint", "env", "failback", "ha-managed", "intel-tdx")
KEYS = {
    "agent": ("freeze-fs", "guest-fsfreeze"),
    "efidisk0": ("ms-cert",),
    "machine": ("aw-bits",),
    "mp[n]": ("idmap", "keepattrs"),
    "net[n]": ("host-managed",),
    "rootfs": ("idmap",),
    "tpmstate0": ("format",),
}


def has_path(version: str, path: str) -> bool:
    return not version.startswith("8.") or not path.startswith(PATHS)


def properties(version: str, described: Properties) -> Properties:
    if not version.startswith("8."):
        return described
    return {name: _older(name, schema) for name, schema in described.items() if name not in OPTIONS}


def _older(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    form = schema.get("format")
    if name not in KEYS or not isinstance(form, dict):
        return schema
    left: Form = {key: own for key, own in form.items() if key not in KEYS[name]}
    return {**schema, "format": left}
