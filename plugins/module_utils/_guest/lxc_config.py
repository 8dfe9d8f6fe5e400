# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The wanted configuration of a container against the one that is there: what to put, delete and grow.

Property strings are merged key by key, so the MAC, the volume and whatever else the task does not mention stay.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .._codec import PropertyString, parse_size, print_size
from .._errors import BadInput
from .._names import HOSTNAME, MAC, SLOT, STORAGE, VOLID, check_text
from .lxc_options import CONFIG, FAMILIES, FEATURES, NET, VOLUME, codec_of

_GIB = 1024**3
_DEFAULT_ROOTFS = "4G"
_KEPT = ("rootfs", "ostype", "arch", "unprivileged")  # keys that a container cannot be without


@dataclass
class Change:
    """A difference in wire form. `grow` maps a volume's slot to its new size."""

    put: dict[str, Any] = field(default_factory=dict)
    delete: list[str] = field(default_factory=list)
    grow: dict[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.put or self.delete or self.grow)

    @property
    def data(self) -> dict[str, Any]:
        """As the parameters of one PUT."""
        return {**self.put, **({"delete": ",".join(sorted(self.delete))} if self.delete else {})}

    def merged(self) -> dict[str, Any]:
        """As keys of the configuration, None for what goes."""
        return {**self.put, **dict.fromkeys(self.delete)}

    def leaves(self, have: Mapping[str, Any]) -> dict[str, Any]:
        """The same once volumes have grown, too."""
        grown = {
            slot: VOLUME.encode({**VOLUME.decode(self.put.get(slot) or have[slot]), "size": parse_size(size)})
            for slot, size in self.grow.items()
        }
        return {**self.merged(), **grown}


def check(options: Mapping[str, Any]) -> None:
    """Raise BadInput for a value that Proxmox would refuse, before anything is sent."""
    if options.get("name"):
        HOSTNAME.check("name", options["name"])
    for name in ("hookscript", "ostype", "searchdomain", "timezone", "entrypoint"):
        check_text(name, options.get(name) or "")
    check_text("description", options.get("description") or "", one_line=False)
    for option, (prefix, _codec, _privilege, _element) in FAMILIES.items():
        for element in options.get(option) or []:
            _check_element(SLOT[prefix].check(f"{option}.slot", element["slot"]), element)
    volumes = {"rootfs": options.get("rootfs") or {}, **{mount["slot"]: mount for mount in options.get("mounts") or []}}
    for slot, volume in volumes.items():
        if volume.get("storage"):
            STORAGE.check(f"{slot}.storage", volume["storage"])
        if volume.get("size"):
            _size(slot, volume["size"])


def _check_element(slot: str, element: Mapping[str, Any]) -> None:
    for key, value in element.items():
        if not isinstance(value, str):
            continue
        check_text(f"{slot}.{key}", value)
        # the value becomes part of a property string, where these two separate
        if "," in value or ("=" in value and key != "volume"):
            raise BadInput(f"{slot}.{key}: {value!r} must not hold a comma or an equals sign")
    if element.get("hwaddr"):
        MAC.check(f"{slot}.hwaddr", element["hwaddr"])


def difference(options: Mapping[str, Any], have: Mapping[str, Any]) -> Change:
    """What must change so that an existing container is as the task wants it."""
    change = Change()
    for key, wanted in _wanted(options):
        _compare(change, key, wanted, have)
    for slot, volume in _volumes(options):
        _compare_volume(change, slot, volume, have.get(slot))
    for key in options.get("delete") or []:
        if key in _KEPT:
            raise BadInput(f"delete: '{key}' cannot be removed from a container")
        if key in change.put:
            raise BadInput(f"delete: '{key}' is also set by this task")
        if key in have and key not in change.delete:
            change.delete.append(key)
    return change


def whole(options: Mapping[str, Any]) -> dict[str, Any]:
    """Everything that the task mentions, in wire form, for a container that does not exist yet."""
    data: dict[str, Any] = {}
    for key, wanted in _wanted(options):
        encoded = _named(key, wanted) if isinstance(wanted, dict) else wanted
        text = codec_of(key).encode(encoded)
        if text != "":
            data[key] = text
    for slot, volume in _volumes(options):
        data[slot] = _new_volume(slot, volume)
    return data


def root_only(change: Mapping[str, Any], have: Mapping[str, Any]) -> str:
    """Which part of a change only root@pam may make (pve-container, check_ct_modify_config_perm), or ""."""
    if "hookscript" in change:
        return "changing the hookscript"
    if any(str(value).startswith("/") for key, value in change.items() if key.startswith("mp") and value):
        return "a bind mount"
    if "features" in change:
        flags = [
            {**FEATURES.decode(text or ""), "nesting": None} for text in (have.get("features"), change["features"])
        ]
        if not FEATURES.same(*({key: value for key, value in one.items() if value} for one in flags)):
            return "changing feature flags (except nesting)"
        if str(change.get("unprivileged", have.get("unprivileged", 0))) == "0":
            return "changing feature flags of a privileged container"
    return ""


def _wanted(options: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """(wire key, wanted value) for what the task mentions, volumes apart."""
    pairs = [(option.wire or name, options[name]) for name, option in CONFIG.items() if options.get(name) is not None]
    pairs = [(key, _mentioned(value) if isinstance(value, dict) else value) for key, value in pairs]
    return pairs + [(nic["slot"], _mentioned(nic)) for nic in options.get("net") or []]


def _volumes(options: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    rootfs = [("rootfs", _mentioned(options["rootfs"]))] if options.get("rootfs") else []
    return rootfs + [(mount["slot"], _mentioned(mount)) for mount in options.get("mounts") or []]


def _mentioned(value: Mapping[str, Any]) -> dict[str, Any]:
    return {key: item for key, item in value.items() if item is not None and key != "slot"}


def _named(key: str, nic: dict[str, Any]) -> dict[str, Any]:
    """A new interface needs a name inside the container; eth0 for net0 is what everybody means."""
    return {"name": f"eth{key[3:]}", **nic} if codec_of(key) is NET else nic


def _compare(change: Change, key: str, wanted: Any, have: Mapping[str, Any]) -> None:
    codec, there = codec_of(key), have.get(key)
    if isinstance(codec, PropertyString):
        merged = codec.merge(there, wanted if there else _named(key, wanted))
        if not codec.same(there, merged) or (there is None and codec is NET):
            _set(change, key, codec.encode(merged), have)
        return
    option = next(option for name, option in CONFIG.items() if (option.wire or name) == key)
    now = codec.decode(there) if there is not None else option.implied
    if codec.decode(wanted) == now:
        return
    if option.fixed:
        raise BadInput(f"{key}: it is {now} and can only be set at creation")
    _set(change, key, codec.encode(wanted), have)


def _set(change: Change, key: str, text: Any, have: Mapping[str, Any]) -> None:
    """Put a value; an empty one removes the key, where it is there."""
    if text != "":
        change.put[key] = text
    elif key in have:
        change.delete.append(key)


def _compare_volume(change: Change, slot: str, wanted: dict[str, Any], there: Any) -> None:
    if not there:
        change.put[slot] = _new_volume(slot, wanted)
        return
    now = VOLUME.decode(there)
    storage, size = wanted.pop("storage", None), wanted.pop("size", None)
    if storage and not str(now["volume"]).startswith(f"{storage}:"):
        raise BadInput(f"{slot}: it is {now['volume']}; this module does not move a volume to storage '{storage}'")
    if size:
        bytes_now, bytes_wanted = now.get("size", 0), _size(slot, size)
        if bytes_wanted < bytes_now:
            raise BadInput(f"{slot}.size: it is {print_size(bytes_now)}; a volume cannot shrink to {size}")
        if bytes_wanted > bytes_now:
            change.grow[slot] = print_size(bytes_wanted)
    merged = VOLUME.merge(there, wanted)
    if not VOLUME.same(there, merged):
        change.put[slot] = VOLUME.encode(merged)


def _new_volume(slot: str, wanted: dict[str, Any]) -> str:
    wanted = dict(wanted)
    storage, volume = wanted.pop("storage", None), wanted.pop("volume", None)
    if slot != "rootfs" and not wanted.get("mp"):
        raise BadInput(f"{slot}.mp is needed for a new mount point: where it appears inside the container")
    if bool(storage) == bool(volume):
        raise BadInput(f"{slot}: a new volume needs either storage (and size) or volume")
    if volume:
        if not volume.startswith("/"):
            VOLID.check(f"{slot}.volume", volume)
        return VOLUME.encode(VOLUME.decode({"volume": volume, **wanted}))
    size = _size(slot, wanted.pop("size", None) or (_DEFAULT_ROOTFS if slot == "rootfs" else ""))
    # an allocation is STORAGE:GIBIBYTES
    return VOLUME.encode(VOLUME.decode({"volume": f"{storage}:{size / _GIB:g}", **wanted}))


def _size(slot: str, value: str) -> int:
    try:
        return parse_size(value, default_unit="G")
    except ValueError as error:
        raise BadInput(f"{slot}.size: {error}") from None
