# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writes docs/options.md from the tables of the engine: `make options`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.steward.proxmox.plugins.module_utils import _codec
from ansible_collections.steward.proxmox.plugins.module_utils._codec import Codec, PropertyString
from ansible_collections.steward.proxmox.plugins.module_utils._guest import cloud_init
from ansible_collections.steward.proxmox.plugins.module_utils._guest.options import ROOT, Option, Table
from ansible_collections.steward.proxmox.plugins.module_utils._guest.tables import TABLES

PAGE = Path(__file__).parents[1] / "docs" / "options.md"

# What the calls that create and change a guest take beside its configuration, and how the modules say it.
_BOTH = {
    "bwlimit": "`migrate.bwlimit` for a migration; a restore keeps to the limits of the data centre and its storages",
    "delete": "`delete`, and an empty value of what can be empty",
    "digest": "by itself: every change carries it, so that one made behind our back is refused",
    "force": "`force` with `source.archive`: the restore overwrites the guest",
    "ha-managed": "not used: an HA resource is an object of its own, which `steward.proxmox.api` can make",
    "node": "`node`",
    "pool": "`pool`",
    "revert": "not used: saying the value that is wanted replaces one that waits for a restart",
    "start": "`state: started`, as a step of its own that the plan shows",
    "unique": "by itself with `source.archive`, unless `source.keep_identity`",
    "vmid": "`vmid`",
}
CALLS: dict[str, dict[str, str]] = {
    "qemu": {
        **_BOTH,
        "archive": "`source.archive`",
        "background_delay": "not used: a task that a change starts is waited for",
        "import-working-storage": "not used: an image is unpacked on the storage that it lies on",
        "live-restore": "`source.archive.live`",
        "skiplock": "not used: a lock says that something else is at work on the guest",
        "storage": "`source.archive.restore_storage`",
    },
    "lxc": {
        **_BOTH,
        "ignore-unpack-errors": "not used: a container with a part of its files is no container",
        "ostemplate": "`source.template` or `source.archive`",
        "password": "`password`",
        "restore": "`source.archive`",
        "ssh-public-keys": "`ssh_public_keys`",
        "storage": "`rootfs.storage`, or `source.archive.restore_storage`",
    },
}

_MODULES = {"qemu": ("Virtual machines", "vm"), "lxc": ("Containers", "lxc")}
_LIVE = {"": "at the next start", "always": "at once", "new": "at once, a new one"}
_TYPES = (
    (_codec.BOOL, "boolean"),
    (_codec.INT, "whole number"),
    (_codec.NUMBER, "number"),
    (_codec.SIZE, "size"),
    (_codec.MAC, "MAC address"),
    (_codec.TEXT, "text of several lines"),
    (_codec.LOWER, "text, small letters"),
    (_codec.TAGS, "set of tags"),
    (_codec.HOTPLUG, "set"),
    (_codec.SEMICOLONS, "set"),
    (_codec.PCI, "set of PCI addresses"),
    (_codec.SSH_KEYS, "set of public keys"),
    (_codec.CPUS, "set of numbers"),
    (_codec.RANGES, "set of numbers"),
    (_codec.WORDS, "list"),
    (_codec.SEQUENCE, "list"),
    (_codec.ENV, "names and values"),
    (_codec.GENERATION, "id, or 0 for none"),
    (_codec.URL_ENCODED, "text"),
    (_codec.STRING, "text"),
)
_INTRO = """\
# Options of a guest's configuration

Every key of the configuration of PVE 9.2, and how a task says it. This page is made from the tables that the modules
work with (`plugins/module_utils/_guest/vm_options.py` and `lxc_options.py`) by `make options`; a test compares it with
Proxmox's description of its API.

- **In a task**: the module's option. Of a list each element has a `slot`, such as `net0`. `config` takes keys that have
  no option of their own, by the names of this page: a scalar, or of a property string its keys (merged one by one) or
  its text.
- **Without it**: what the server takes for granted. Writing that out changes nothing.
- **Privilege**: on `/vms/VMID`, for a change. "root@pam": no other user or token can set it, whatever its privileges.
- **Takes effect**: in a running guest. "by *word*" is at once if the VM's `hotplug` has the word; what cannot be
  changed in place waits for the next start.
- **Since**: the first version, for what PVE 8.4 lacks. On an older server such an option is refused before anything is
  sent.
"""


def page() -> str:
    return "\n".join([_INTRO, *(line for kind in _MODULES for line in _kind(TABLES[kind]))])


def _kind(table: Table) -> Iterator[str]:
    title, module = _MODULES[table.kind]
    rows = {key: row for key, row in sorted(table.rows.items()) if not row.read_only}
    yield f"## {title}: `{module}`\n"
    yield from _grid(
        ("Key", "In a task", "Type", "Without it", "Privilege", "Takes effect", "Since"),
        ((_name(key, row), *_cells(table, key, row)) for key, row in rows.items()),
    )
    yield f"### The keys inside, of `{module}`\n"
    yield from _parts(rows)
    yield f"### What the calls take beside the configuration, for `{module}`\n"
    yield from _grid(("Parameter", "In a task"), ((f"`{key}`", how) for key, how in sorted(CALLS[table.kind].items())))
    only = ", ".join(f"`{key}`" for key, row in sorted(table.rows.items()) if row.read_only)
    yield f"The server alone writes {only}.\n"


def _cells(table: Table, key: str, row: Option) -> Iterator[str]:
    yield _said(key, row)
    yield "property string" if isinstance(row.codec, PropertyString) else type_of(row.codec)
    yield "" if row.implied is None else _value(row.implied)
    yield _privilege(table, row)
    yield "only at creation" if row.fixed else _LIVE.get(row.live) or f"by `{row.live}`"
    yield row.since


def _said(key: str, row: Option) -> str:
    if row.elsewhere:
        return row.elsewhere
    if row.option == "cloud_init":
        return f"`cloud_init.{next(option for option, wire in cloud_init.KEYS.items() if wire == key)}`"
    if not row.option:
        return f"`config: {{{key.replace('[n]', '0')}: …}}`"
    return f"`{row.option}`" + (", a list" if row.count and row.spec else "")


def _privilege(table: Table, row: Option) -> str:
    drive = row.volume and table.kind == "qemu" and row.count > 1 and not row.elsewhere
    names = [row.privilege, *([row.or_privilege] if row.or_privilege else [])]
    text = " or ".join(names) + (", a CD-ROM: VM.Config.CDROM" if drive else "")
    text += f", and {row.on_root} on `/`" if row.on_root else ""
    if row.root_only == ROOT:
        return "root@pam"
    return text + (", some values root@pam" if row.root_only else "")


def _parts(rows: Mapping[str, Option]) -> Iterator[str]:
    """The keys of property strings; of those that one option says, together."""
    for name in dict.fromkeys(_group(key, row) for key, row in rows.items() if row.parts):
        group = {key: row for key, row in rows.items() if row.parts and _group(key, row) == name}
        yield f"#### {', '.join(_name(key, row) for key, row in group.items())}\n"
        parts = sorted({part for row in group.values() for part in row.parts})
        yield from _grid(
            ("Key", "Type", "Without it", "Since", "Only in"),
            ((_named(group, part), *_part_cells(group, part)) for part in parts),
        )


def _group(key: str, row: Option) -> str:
    return "disks" if row.option == "disks" or key == "cdrom" else key


def _named(group: Mapping[str, Option], part: str) -> str:
    """A key of a property string, and its other names."""
    codecs = [row.codec for row in group.values() if isinstance(row.codec, PropertyString)]
    others = {name for codec in codecs for name, key in codec.aliases.items() if key == part}
    return f"`{part}`" + (f" (or {', '.join(f'`{name}`' for name in sorted(others))})" if others else "")


def _part_cells(group: Mapping[str, Option], part: str) -> Iterator[str]:
    having = {key: row for key, row in group.items() if part in row.parts}
    first, *_others = having.values()
    yield type_of(first.parts[part])
    implied = first.codec.implied if isinstance(first.codec, PropertyString) else {}
    yield _value(implied[part]) if part in implied else ""
    yield first.since_keys.get(part, "")
    yield "" if len(having) == len(group) else ", ".join(_name(key, row) for key, row in having.items())


def type_of(codec: Codec) -> str:
    """The type of a value, in words."""
    known = next((text for known, text in _TYPES if known == codec), "one")
    return f"{known} of {', '.join(f'`{word}`' for word in codec.words)}" if codec.words else known


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if value in ("", [], {}):
        return "none"
    if isinstance(value, list):
        return f"`{','.join(value)}`"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def _name(key: str, row: Option) -> str:
    return f"`{key[:-3]}0` to `{key[:-3]}{row.count - 1}`" if row.count else f"`{key}`"


def _grid(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    """A table, without the columns that are empty in every row."""
    lines = [*rows]
    used = [number for number in range(len(head)) if any(line[number] for line in lines)]
    yield f"| {' | '.join(head[number] for number in used)} |"
    yield f"|{' --- |' * len(used)}"
    yield from (f"| {' | '.join(line[number] for number in used)} |" for line in lines)
    yield ""


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
