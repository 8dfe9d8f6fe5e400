# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration that a task wants, against the one that is there: what to put, delete, grow, move and destroy.

Property strings are merged key by key, so the MAC, the volume and whatever else the task does not mention stay.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import Any

from .._codec import URL_ENCODED, PropertyString, Smbios
from .._errors import BadInput
from .._names import HOSTNAME, MAC, check_text
from . import cloud_init
from .bounds import check_bounds, check_whole
from .change import Change
from .live import takes_over
from .options import Option, Table
from .volumes import OUR_WORDS, check_volume, compare_volume, new_volume, volume_codec

_LINES = frozenset({"description", "env"})  # texts that may have several lines


def check(table: Table, options: Mapping[str, Any]) -> None:
    """Raise BadInput for a value that Proxmox would refuse, before anything is sent."""
    if options.get("name"):
        HOSTNAME.check("name", options["name"])
    for option in {row.option for row in table.rows.values() if row.count and row.spec is not None}:
        for element in options.get(option) or []:
            table.check_slot(option, element["slot"])
    for key, value in wanted(table, options, {}).items():
        _check_value(table, key, value)
    for key in options.get("delete") or []:
        require_row(table, "delete", key.partition(".")[0])


def wanted(table: Table, options: Mapping[str, Any], have: Mapping[str, Any]) -> dict[str, Any]:
    """Wire key -> what the task says of it: some keys of a property string as a dict, everything else as a value.

    `have`: what is there already, which tells whether a password still has to be set.
    """
    found: dict[str, Any] = {}
    for key, row in table.rows.items():
        said = options.get(row.option) if row.spec is not None else None
        if said is None:
            continue
        if row.count:
            mine = [element for element in said if table.family(element["slot"]) == key]
            found.update({element["slot"]: _mentioned(element) for element in mine})
        else:
            found[key] = _mentioned(said) if isinstance(said, dict) else said
    if options.get("cloud_init"):
        found.update(cloud_init.keys(options["cloud_init"], have))
        if not cloud_init.drive_of(have):  # a guest keeps the drive that it has, wherever that is plugged in
            found.update(cloud_init.drive(options["cloud_init"]))
    for key, value in (options.get("config") or {}).items():
        row = require_row(table, "config", key)
        if row.option:
            raise BadInput(f"config: '{key}' has an option of its own: {row.option}")
        if row.elsewhere:
            raise BadInput(f"config: '{key}' is not set this way", row.elsewhere)
        if value is None:
            raise BadInput(f"config: '{key}' has no value", "To remove it, name it in delete")
        found[key] = value
    return found


def require_row(table: Table, option: str, key: str) -> Option:
    """What is known of a key of the configuration; BadInput with similar ones where there is no such key."""
    row = table.row(key)
    if row is None:
        near = difflib.get_close_matches(key, table.keys(), n=3)
        raise BadInput(
            f"{option}: '{key}' is not an option of a {table.kind} guest",
            f"Did you mean {' or '.join(near)}?" if near else "docs/options.md lists them all",
        )
    if row.read_only:
        raise BadInput(f"{option}: '{key}' is the server's own and cannot be set")
    return row


def difference(table: Table, options: Mapping[str, Any], have: Mapping[str, Any]) -> Change:
    """What must change so that an existing guest is as the task wants it."""
    change = Change()
    additive = options.get("tags_mode") == "additive"
    for key, value in wanted(table, options, have).items():
        row = require_row(table, key, key)
        if row.volume:
            compare_volume(change, volume_codec(table, key), key, value, have.get(key))
        elif isinstance(row.codec, PropertyString):
            _compare_property(change, table, key, value, have)
        else:
            union = [*row.codec.decode(have.get(key) or ""), *value] if additive and key == "tags" else value
            _compare_value(change, row, key, union, have)
    for name in options.get("delete") or []:
        _delete(change, table, name, have)
    change.follows = _unboot(change, table, have)
    return change


def whole(table: Table, options: Mapping[str, Any]) -> dict[str, Any]:
    """Everything that the task mentions, in wire form, for a guest that does not exist yet."""
    data: dict[str, Any] = {}
    for key, value in wanted(table, options, {}).items():
        row = require_row(table, key, key)
        if row.volume:
            if (value.get("state") or "present") == "present":
                data[key] = new_volume(volume_codec(table, key), key, value)
            continue
        text = _new_text(table, row, key, value)
        if text != "":
            data[key] = text
    return data


def root_only(table: Table, change: Mapping[str, Any], have: Mapping[str, Any]) -> str:
    """Which part of a change only root@pam may make, or "". `change`: wire key -> value, None for what is deleted."""
    for key, value in change.items():
        row = table.row(key)
        touched = [text for text in (have.get(key), value) if text is not None]
        if row and row.root_only and not all(re.fullmatch(row.root_only, str(text)) for text in touched):
            return f"setting {key} to '{value}'" if value is not None else f"removing {key}"
    return _root_only_features(table, change, have) if "features" in change else ""


def waiting(table: Table, change: Change, have: Mapping[str, Any]) -> dict[str, Any]:
    """The keys that a running guest takes over only at its next start, with the values that it has until then."""
    changes = {**change.merged(), **change.follows, **dict.fromkeys(change.destroy)}
    return {
        key: have.get(key) for key, value in changes.items() if not takes_over(table, key, have.get(key), value, have)
    }


def _unboot(change: Change, table: Table, have: Mapping[str, Any]) -> dict[str, Any]:
    """A device that goes leaves the boot order, too."""
    if "boot" not in have or "boot" in change.merged():
        return {}
    order = table.codec("boot").decode(have["boot"]).get("order", [])
    left = [device for device in order if device not in (*change.delete, *change.destroy)]
    return {} if left == order else {"boot": f"order={';'.join(left)}" if left else " "}


# -- what a task says ----------------------------------------------------------------------------------------------


def _mentioned(value: Mapping[str, Any]) -> dict[str, Any]:
    return {key: item for key, item in value.items() if item is not None and key != "slot"}


def _check_value(table: Table, key: str, value: Any) -> None:
    row = require_row(table, key, key)
    if isinstance(value, str):
        check_text(key, value, one_line=key not in _LINES)
    if row.volume:
        check_volume(key, value)
    if isinstance(value, Mapping) and isinstance(row.codec, PropertyString):
        _check_keys(key, row.codec, value)
    try:
        row.codec.check(value)
        check_bounds(table, key, value)
    except (ValueError, TypeError) as error:
        raise BadInput(f"{key}: {value!r} is not valid: {error}") from None


def _check_keys(slot: str, codec: PropertyString, element: Mapping[str, Any]) -> None:
    """A bus does not have every key of a drive, and a comma would begin another key."""
    for key, value in element.items():
        if codec.key(key) not in codec.types and key not in OUR_WORDS:
            there = ", ".join(sorted(name.replace("-", "_") for name in codec.types))
            raise BadInput(f"{slot}: it has no '{key}'; it has: {there}")
        if not isinstance(value, str):
            continue
        check_text(f"{slot}.{key}", value)
        if isinstance(codec, Smbios) or codec.types.get(codec.key(key)) is URL_ENCODED:  # it travels encoded
            continue
        if "," in value or ("=" in value and key != "volume"):
            raise BadInput(f"{slot}.{key}: {value!r} must not hold a comma or an equals sign")
    for key in ("hwaddr", "macaddr"):
        if element.get(key):
            MAC.check(f"{slot}.{key}", element[key])


# -- what differs ---------------------------------------------------------------------------------------------------


def _compare_property(change: Change, table: Table, key: str, value: Any, have: Mapping[str, Any]) -> None:
    row, there = require_row(table, key, key), have.get(key)
    codec = row.codec
    if not isinstance(codec, PropertyString):
        raise TypeError(f"{key} is not a property string")
    if there is None:
        new = _new_text(table, row, key, value)
        # a device that is not there is made, even if it says nothing; elsewhere saying the default changes nothing
        if row.count or not codec.same("", new):
            _put(change, row, key, new, have)
        return
    if not codec.same(there, codec.merge(there, value)):
        text = codec.patch(there, value)
        check_whole(table, key, text)
        _put(change, row, key, text, have)


def _new_text(table: Table, row: Option, key: str, value: Any) -> Any:
    """A key that is not there yet; a new interface needs what everybody means when it is not said.

    What the server takes for granted is not written: to it, a feature that is written as off is a changed one.
    """
    if not isinstance(row.codec, PropertyString):
        return row.codec.encode(value)
    defaults = {name: text.format(key[3:]) for name, text in table.new_nic.items()} if table.is_net(key) else {}
    text = row.codec.patch("", {**defaults, **row.codec.decode(value)})
    check_whole(table, key, text)
    return text


def _compare_value(change: Change, row: Option, key: str, value: Any, have: Mapping[str, Any]) -> None:
    if row.write_only or not row.same(have.get(key), value):
        if row.fixed:
            raise BadInput(f"{row.option or key}: it is {row.decode(have.get(key))} and can only be set at creation")
        _put(change, row, key, row.codec.encode(value), have)


def _put(change: Change, row: Option, key: str, text: Any, have: Mapping[str, Any]) -> None:
    """Put a value; an empty one removes the key, where it is there."""
    if row.fixed:
        raise BadInput(f"{row.option or key}: it can only be set at creation")
    if text != "":
        change.put[key] = text
    elif key in have:
        change.delete.append(key)


def _delete(change: Change, table: Table, name: str, have: Mapping[str, Any]) -> None:
    """Remove a key (`net1`), or one part of its property string (`net0.tag`)."""
    key, dot, part = name.partition(".")
    if key in table.kept and not dot:
        raise BadInput(f"delete: a guest cannot be without '{key}'")
    if key in change.put and not dot:
        raise BadInput(f"delete: '{key}' is also set by this task")
    if key not in have or key in change.delete:
        return
    if not dot:  # what is detached already can only go with its data
        (change.destroy if table.family(key) == "unused[n]" else change.delete).append(key)
        return
    codec, text = table.codec(key), change.put.get(key, have[key])
    if not isinstance(codec, PropertyString):
        raise BadInput(f"delete: '{key}' has no parts; remove it whole")
    if part not in codec.types:
        raise BadInput(f"delete: '{key}' has no part '{part}'; it has: {', '.join(sorted(codec.types))}")
    if codec.key(part) in codec.decode(text):
        without = codec.without(text, part)
        check_whole(table, key, without)
        change.put.pop(key, None)
        _put(change, require_row(table, "delete", key), key, without, have)


# -- root ----------------------------------------------------------------------------------------------------------


def _root_only_features(table: Table, change: Mapping[str, Any], have: Mapping[str, Any]) -> str:
    """pve-container, check_ct_modify_config_perm"""
    codec = table.codec("features")
    flags = [
        {key: item for key, item in codec.decode(text or "").items() if item and key != "nesting"}
        for text in (have.get("features"), change["features"])
    ]
    if flags[0] != flags[1]:
        return "changing feature flags (except nesting)"
    if str(change.get("unprivileged", have.get("unprivileged", 0))) == "0":
        return "changing feature flags of a privileged container"
    return ""
