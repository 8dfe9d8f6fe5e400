# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Cloud-init: what the configuration says, and what is on the drive that the guest reads."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote

import yaml

from . import disks, guests
from .call import Call, serves
from .errors import BadParameter, Died
from .propertystring import parse
from .state import Config, Guest

PATH = "/nodes/{node}/qemu/{vmid}/cloudinit"
SHOWN = ("cicustom", "cipassword", "citype", "ciupgrade", "ciuser", "nameserver", "searchdomain", "sshkeys")
USED = re.compile("|".join(SHOWN) + r"|ipconfig\d+|name|net\d+")  # what is on the drive


def drive_of(guest: Guest) -> str | None:
    """The slot of the cloud-init drive."""
    return next((key for key, volid in disks.used_by(guest) if disks.is_cloud_init(volid)), None)


def remember(guest: Guest, before: Config) -> None:
    """A running guest has read the drive as it was: what is changed since is not on it."""
    if guest.running and guest.cloud_init is None:
        known = {key: value for key, value in before.items() if USED.fullmatch(key)}
        now = {key: value for key, value in guest.config.items() if USED.fullmatch(key)}
        guest.cloud_init = known if known != now else None


def regenerate(guest: Guest) -> None:
    guest.cloud_init = None


@serves("GET", PATH)
def pending(call: Call) -> list[dict[str, Any]]:
    """Of what is not on the drive yet, all that is new or gone; of the rest only the options that have no number."""
    guest = guests.of(call, "qemu")
    config = guests.shown(guest, guest.config)
    on_drive = guest.config if guest.cloud_init is None else guest.cloud_init
    old = guests.shown(guest, on_drive)
    found = [{"key": key, "pending": config[key]} for key in config if USED.fullmatch(key) and key not in old]
    for key in SHOWN:
        if key in old and str(config.get(key, 0)) not in ("0", ""):
            changed = guest.config[key] != on_drive[key]
            found.append({"key": key, "value": old[key]} | ({"pending": config[key]} if changed else {}))
    return found + [{"key": key, "delete": 1} for key in old if USED.fullmatch(key) and key not in config]


@serves("PUT", PATH)
def update_drive(call: Call) -> None:
    guest = guests.of(call, "qemu")
    call.need(f"/vms/{guest.vmid}", "VM.Config.Cloudinit")
    guests.check_lock(guest)
    if drive_of(guest):
        regenerate(guest)


@serves("GET", PATH + "/dump")
def dump(call: Call) -> str:
    guest = guests.of(call, "qemu")
    made = {"user": _user, "network": _network, "meta": _meta}.get(call.params["type"])
    if made is None:
        raise BadParameter(type="no such type")
    custom = parse({}, str(guest.config.get("cicustom", ""))).get(call.params["type"])
    if custom and not call.state.volume(guest.node, custom):
        raise Died(f"volume '{custom}' does not exist")
    if custom:
        return f"# {custom}, whose content the lab does not know\n"
    return made(guest)


def _user(guest: Guest) -> str:
    config = guest.config
    found: Config = {"hostname": guest.name, "manage_etc_hosts": True}
    found |= {"user": config["ciuser"]} if "ciuser" in config else {}
    found |= {"password": "$5$a hash of the password"} if "cipassword" in config else {}
    keys = unquote(str(config.get("sshkeys", ""))).splitlines()
    found |= {"ssh_authorized_keys": [key for key in keys if key]} if keys else {}
    found |= {"chpasswd": {"expire": False}, "users": ["default"]}
    found |= {"package_upgrade": True} if config.get("ciupgrade", 1) else {}
    return "#cloud-config\n" + yaml.safe_dump(found, sort_keys=False)


def _network(guest: Guest) -> str:
    entries = []
    for key in sorted(key for key in guest.config if re.fullmatch(r"net\d+", key)):
        number = key.removeprefix("net")
        own = parse({}, str(guest.config.get(f"ipconfig{number}", "")))
        entries.append({"type": "physical", "name": f"eth{number}", "subnets": _subnets(own)})
    return yaml.safe_dump({"version": 1, "config": entries}, sort_keys=False)


def _subnets(own: dict[str, str]) -> list[dict[str, str]]:
    found = []
    for key, kind, gateway in (("ip", "4", "gw"), ("ip6", "6", "gw6")):
        if own.get(key) in ("dhcp", "auto"):
            found.append({"type": f"dhcp{kind}"})
        elif key in own:
            way = {"gateway": own[gateway]} if gateway in own else {}
            found.append({"type": "static", "address": own[key], **way})
    return found


def _meta(guest: Guest) -> str:
    return yaml.safe_dump({"instance-id": f"{guest.vmid:040x}"})
