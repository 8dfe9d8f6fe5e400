# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Property strings, PVE's options inside one value: name=eth0,bridge=vmbr0,ip=dhcp."""

from __future__ import annotations

from typing import Any

from .formats import FormatError

Form = dict[str, dict[str, Any]]


def parse(form: Form, text: str) -> dict[str, str]:
    """The keys and values of a property string. An alias (virtio=MAC) is resolved to the keys that it stands for."""
    values: dict[str, str] = {}
    for part in text.split(","):
        if not part:
            continue
        key, separator, value = part.partition("=")
        if not separator:
            key, value = _default_key(form), part
        schema = form.get(key, {})
        if "keyAlias" in schema:
            _set(values, schema["keyAlias"], key)
        _set(values, schema.get("alias", key), value)
    return values


def render(form: Form, values: dict[str, str]) -> str:
    """The order that PVE writes: the default key bare, then what must be there, then the rest by name."""
    rest = {key: value for key, value in values.items() if value is not None}
    parts = []
    aliased = next((s["keyAlias"] for s in form.values() if "keyAlias" in s and s.get("alias") in rest), None)
    if aliased in rest:
        parts.append(f"{rest.pop(aliased)}={rest.pop('macaddr')}")
    default = next((key for key, schema in form.items() if schema.get("default_key") and key in rest), None)
    if default:
        parts.append(rest.pop(default))
    required = sorted(key for key in rest if not form.get(key, {}).get("optional"))
    optional = sorted(key for key in rest if key not in required)
    return ",".join(parts + [f"{key}={rest[key]}" for key in required + optional])


def _default_key(form: Form) -> str:
    for key, schema in form.items():
        if schema.get("default_key"):
            return str(schema.get("alias", key))
    raise FormatError("value without key, but schema does not define a default key")


def _set(values: dict[str, str], key: str, value: str) -> None:
    if key in values:
        raise FormatError(f"duplicate key in comma-separated list property: {key}")
    values[key] = value
