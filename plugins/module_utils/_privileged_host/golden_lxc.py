# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes an unprivileged container with nesting and keyctl, which the API refuses to every token.

Its backup keeps both, so every other container can come from a restore, with a token.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from .._codec import BOOL, INT, TEXT, print_size
from .._errors import ApiError, Refused
from .._guest import config as guest_config
from .._guest import effects
from .._guest.draft import Draft
from .._guest.identity import identity
from .._guest.lookup import Guest
from .._guest.lxc_options import FEATURES, LXC
from .._guest.symbols import planned
from .._guest.volumes import size_of, storage_of, volume_codec
from .._host.operations import OPERATIONS
from .._names import HOSTNAME, STORAGE, VOLID, check_vmid
from .._plan import Effect, Plan, Step
from .._world import World, address

_FEATURES = "nesting=1,keyctl=1"
#: options that `lxc` has as well. No password, no SSH keys (pct reads them of a file of the node), no mount points
_SHAPE = (
    *("arch", "cores", "cpulimit", "cpuunits", "description", "memory", "nameserver", "net", "onboot", "ostype"),
    *("searchdomain", "startup", "swap", "tags", "timezone"),
)

OPTIONS: dict[str, dict[str, Any]] = {
    "vmid": {"type": "int", "required": True},
    "template": {"type": "str", "required": True},
    "storage": {"type": "str", "required": True},
    "size": {"type": "str", "default": "4G"},
    "hostname": {"type": "str"},
    **{name: spec for name, spec in LXC.argument_spec().items() if name in _SHAPE},
}


def plan(wanted: Mapping[str, Any], node: str, world: World) -> Plan:
    """One step, none, or a refusal."""
    call = _call(wanted)
    OPERATIONS["pct create"].arguments(call)  # refuses what the fence would refuse, before anything is asked
    where = {"node": node, "vmid": wanted["vmid"]}
    have = world.find("pct config", **where)
    config = _as_api(have) if have is not None else None
    draft = Draft(Guest("lxc", wanted["vmid"], node, config))
    if config is None:
        world.get("sudo -l", operation="pct create", **call)
        config = _create(draft, wanted, call)
    else:
        _accept(draft, wanted, config)
    draft.plan.result = {"vmid": wanted["vmid"], "node": node, "config": config}
    draft.plan.finish = lambda reader: {"config": _verified(draft.guest, _as_api(reader.get("pct config", **where)))}
    return draft.done()


# -- it does not exist -----------------------------------------------------------------------------------------------


def _call(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of `pct create`."""
    check_vmid("golden_lxc.vmid", wanted["vmid"])
    VOLID.check("golden_lxc.template", wanted["template"])
    STORAGE.check("golden_lxc.storage", wanted["storage"])
    if wanted.get("hostname"):
        HOSTNAME.check("golden_lxc.hostname", wanted["hostname"])
    as_lxc = {**_shape(wanted), "rootfs": {"storage": wanted["storage"], "size": wanted["size"]}}
    guest_config.check(LXC, as_lxc)
    head = {"vmid": wanted["vmid"], "ostemplate": wanted["template"], "unprivileged": 1, "features": _FEATURES}
    return {**head, **guest_config.whole(LXC, as_lxc)}


def _shape(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """What the task says beside the volume, in the words of `lxc`."""
    return {"name": wanted.get("hostname"), **{name: wanted.get(name) for name in _SHAPE}}


def _create(draft: Draft, wanted: Mapping[str, Any], call: Mapping[str, Any]) -> dict[str, Any]:
    """The one step, and the configuration that it will leave."""
    guest = draft.guest
    config = _as_created(guest, call)
    draft.step(Step("create", guest.target, "RUN", "pct create", call, why="it does not exist"))
    draft.consulted(guest.target, {"exists": False})
    draft.undo("destroy", node=guest.node, born=identity(LXC, config))
    draft.blast("medium", f"runs pct create as root on {guest.node}; the container may use nesting and keyctl")
    draft.plan.blast.storages.add(wanted["storage"])
    draft.plan.before, draft.plan.after = {"exists": False}, {"exists": True, **config}
    draft.plan.state = {"power": "absent", "lock": None, "ha": "unmanaged"}
    own_read = address("pct config", {"node": guest.node, "vmid": guest.vmid})
    born = effects.born(guest.kind, guest.node, guest.vmid, config["hostname"], config)
    draft.plan.effects = [*born, Effect(own_read, "set", config)]
    return config


def _as_created(guest: Guest, call: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration that pct will have written."""
    keys = {key: value for key, value in call.items() if key not in ("vmid", "ostemplate")}
    return planned(LXC, guest.target, {"hostname": f"CT{guest.vmid}", "memory": 512, "swap": 512, **keys})


# -- it exists -------------------------------------------------------------------------------------------------------


def _accept(draft: Draft, wanted: Mapping[str, Any], config: dict[str, Any]) -> None:
    """Nothing to do where it is a golden base; refused where it is something else, which is never destroyed here."""
    guest = draft.guest
    lacking = _lacking(config)
    if lacking:
        raise Refused(
            f"{guest.target} exists on {guest.node} and {lacking} (unprivileged: {config.get('unprivileged', 0)}, "
            f"features: {config.get('features', 'none')})",
            "No container is changed or destroyed here: choose another vmid, or remove it with steward.proxmox.lxc",
        )
    differ = _differences(wanted, config)
    if differ:
        draft.plan.warnings.append(
            f"{guest.target} exists and stays as it is, though {'; '.join(differ)}. Change it with steward.proxmox.lxc"
        )
    draft.consulted(
        guest.target, {key: config.get(key) for key in sorted({*_call(wanted), "features"} - {"vmid", "ostemplate"})}
    )


def _lacking(config: Mapping[str, Any]) -> str:
    """What keeps this container from being a golden base, or ""."""
    if str(config.get("unprivileged", 0)) != "1":
        return "is privileged"
    has = FEATURES.decode(config.get("features", ""))
    missing = [name for name in FEATURES.decode(_FEATURES) if not has.get(name)]
    return f"lacks the features {', '.join(missing)}" if missing else ""


def _differences(wanted: Mapping[str, Any], config: Mapping[str, Any]) -> list[str]:
    """What the task says and the container has otherwise, for people."""
    change = guest_config.difference(LXC, _shape(wanted), config)
    told = [f"{key} is {config.get(key, 'not set')}, not {value}" for key, value in change.merged().items()]
    there = volume_codec(LXC, "rootfs").decode(config["rootfs"])
    size = size_of("golden_lxc", wanted["size"])
    if storage_of(there["volume"]) != wanted["storage"] or there.get("size", size) != size:
        told.append(f"rootfs is {config['rootfs']}, not {wanted['storage']} with {print_size(size)}")
    return told


# -- what pct says ---------------------------------------------------------------------------------------------------


def _as_api(config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration as the API returns it: numbers are numbers, and texts are not encoded."""
    return {key: _as_data(LXC.codec(key), value) for key, value in config.items()}


def _as_data(codec: Any, text: str) -> Any:
    if codec is TEXT:
        return unquote(text)
    return int(text) if codec in (INT, BOOL) and str(text).isdigit() else text


def _verified(guest: Guest, config: dict[str, Any]) -> dict[str, Any]:
    lacking = _lacking(config)
    if lacking:
        raise ApiError(
            f"{guest.target} was created, but it {lacking}: {config}", "Is this an old version of pve-container?"
        )
    return config
