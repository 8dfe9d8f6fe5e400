# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The named formats of PVE's parameters: each is a function that raises FormatError or returns nothing."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from pathlib import PurePosixPath
from zoneinfo import available_timezones

from .privileges import ALL as ALL_PRIVILEGES


class FormatError(Exception):
    """A value does not have its format; the text is what PVE says, without its final newline."""


Check = Callable[[str], None]


def _pattern(regex: str, text: str) -> Check:
    compiled = re.compile(regex)

    def check(value: str) -> None:
        if not compiled.fullmatch(value):
            raise FormatError(text.format(value=value))

    return check


def _list_of(check: Check, separators: str = r"[,;\s\0]+") -> Check:
    def each(value: str) -> None:
        for item in re.split(separators, value):
            if item:
                check(item)

    return each


def split_list(value: str) -> list[str]:
    """A list as PVE takes it: separated by commas, semicolons or blanks."""
    return [item for item in re.split(r"[,;\s\0]+", value) if item]


def _address(version: int | None, text: str) -> Check:
    def check(value: str) -> None:
        try:
            found = ipaddress.ip_address(value).version
        except ValueError:
            raise FormatError(text) from None
        if version and found != version:
            raise FormatError(text)

    return check


def _cidr(version: int | None, text: str) -> Check:
    def check(value: str) -> None:
        try:
            if "/" not in value:
                raise ValueError
            found = ipaddress.ip_interface(value).version
        except ValueError:
            raise FormatError(text) from None
        if version and found != version:
            raise FormatError(text)

    return check


def _any_of(text: str, *checks: Check) -> Check:
    def check(value: str) -> None:
        for one in checks:
            try:
                return one(value)
            except FormatError:
                continue
        raise FormatError(text)

    return check


def _storage_id(value: str) -> None:
    if len(value) < 2:
        raise FormatError(f"storage ID '{value}' cannot be shorter than 2 characters")
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9\-_.]*[A-Za-z0-9]", value):
        raise FormatError(f"storage ID '{value}' contains illegal characters")


def _pool_id(value: str) -> None:
    if not re.fullmatch(r"[A-Za-z0-9.\-_]+(/[A-Za-z0-9.\-_]+)*", value):
        raise FormatError(f"pool name '{value}' contains invalid characters")
    if value.count("/") > 2:
        raise FormatError(f"pool name '{value}' nested too deeply (max levels = 3)")


def _privilege(value: str) -> None:
    if value not in ALL_PRIVILEGES:
        raise FormatError(f"invalid privilege '{value}'")


def _timezone(value: str) -> None:
    if value != "host" and value not in available_timezones():
        raise FormatError(f"invalid time zone '{value}'")


def _absolute_path(value: str) -> None:
    if not PurePosixPath(value).is_absolute():
        raise FormatError("value does not look like a valid absolute path")


def _prune_backups(value: str) -> None:
    keys = [part.partition("=")[0] for part in value.split(",")]
    if "keep-all" in keys and len(keys) > 1:
        raise FormatError("keep-all cannot be set together with other options.")


def _vmid(value: str) -> None:
    if not re.fullmatch(r"[1-9][0-9]{2,8}", value):
        raise FormatError("value does not look like a valid VM ID")


_IP = _address(None, "value does not look like a valid IP address")
_IPV4 = _address(4, "value does not look like a valid IPv4 address")
_IPV6 = _address(6, "value does not look like a valid IPv6 address")
_CIDR4 = _cidr(4, "value does not look like a valid IPv4 network")
_CIDR6 = _cidr(6, "value does not look like a valid IPv6 network")
_CIDR = _cidr(None, "value does not look like a valid CIDR network")
_DNS_LABEL = r"[A-Za-z0-9]([A-Za-z0-9\-]{0,61}[A-Za-z0-9])?"
_DNS = _pattern(rf"{_DNS_LABEL}(\.{_DNS_LABEL})*", "value does not look like a valid DNS name")
_TAG = _pattern(r"[A-Za-z0-9_][A-Za-z0-9_\-+.]*", "invalid characters in tag")
_USER = _pattern(r"[^\s:/]+@[A-Za-z][A-Za-z0-9.\-_]+", "value '{value}' does not look like a valid user name")
_GROUP = _pattern(r"[A-Za-z0-9.\-_]+", "group name '{value}' contains invalid characters")
_ROLE = _pattern(r"[A-Za-z0-9.\-_]+", "role name '{value}' contains invalid characters")
_NODE = _pattern(r"[^\s/]+", "value does not look like a valid node name")
_CONFIG_ID = _pattern(r"[A-Za-z][A-Za-z0-9_\-]+", "invalid configuration ID '{value}'")
_IFACE = _pattern(r"[A-Za-z][A-Za-z0-9_]{1,20}([:.]\d+)?", "invalid network interface name '{value}'")
_VOLUME = _pattern(r"[A-Za-z][A-Za-z0-9\-_.]*[A-Za-z0-9]:.+", "unable to parse volume ID '{value}'")
_HA_RESOURCE = _pattern(r"[a-z]+:\S+", "value does not look like a valid ha resource id")
_STARTUP_KEYS = r"(order=)?\d+|up=\d+|down=\d+"
_IP_TEXT = "value does not look like a valid IP address or CIDR network"

FORMATS: dict[str, Check] = {
    "CIDR": _CIDR,
    "CIDRv4": _CIDR4,
    "CIDRv6": _CIDR6,
    "IPorCIDR": _any_of(_IP_TEXT, _IP, _CIDR),
    "IPorCIDRorAlias": _any_of(_IP_TEXT, _IP, _CIDR, _pattern(r"(dc/|guest/)?[A-Za-z][A-Za-z0-9\-_]+", _IP_TEXT)),
    "address": _any_of("value does not look like a valid address: {value}", _IP, _DNS),
    "address-list": _list_of(_any_of("value does not look like a valid address", _IP, _DNS)),
    "dns-name": _DNS,
    "dns-name-list": _list_of(_DNS),
    "email-opt": _pattern(r"|[^\s@]+@[^\s@]+\.[^\s@]+", "value does not look like a valid email address"),
    "ip": _IP,
    "ip-list": _list_of(_IP),
    "ipv4": _IPV4,
    "ipv6": _IPV6,
    "lxc-ip-with-ll-iface-list": _list_of(
        _any_of("value does not look like a valid IP address", _IP, _pattern(r"[0-9A-Fa-f:]+%\w+", ""))
    ),
    "mac-addr": _pattern(
        r"(?i:[0-9a-f][02468ace](:[0-9a-f]{2}){5})", "value does not look like a valid unicast MAC address"
    ),
    "pve-bridge-id": _pattern(r"[-_.\w\d]+", "invalid bridge name '{value}'"),
    "pve-configid": _CONFIG_ID,
    "pve-configid-list": _list_of(_CONFIG_ID),
    "pve-ct-timezone": _timezone,
    "pve-groupid": _GROUP,
    "pve-groupid-list": _list_of(_GROUP),
    "pve-ha-resource-id": _HA_RESOURCE,
    "pve-ha-resource-id-list": _list_of(_HA_RESOURCE),
    "pve-iface": _IFACE,
    "pve-ipv4-config": _any_of(
        "value does not look like a valid ipv4 network configuration", _pattern("dhcp|manual", ""), _CIDR4
    ),
    "pve-ipv6-config": _any_of(
        "value does not look like a valid ipv6 network configuration", _pattern("auto|dhcp|manual", ""), _CIDR6
    ),
    "pve-node": _NODE,
    "pve-node-list": _list_of(_NODE),
    "pve-poolid": _pool_id,
    "pve-priv-list": _list_of(_privilege),
    "pve-realm": _pattern(r"[A-Za-z][A-Za-z0-9.\-_]+", "value does not look like a valid realm"),
    "pve-roleid": _ROLE,
    "pve-roleid-list": _list_of(_ROLE),
    "pve-startup-order": _pattern(rf"({_STARTUP_KEYS})(,({_STARTUP_KEYS}))*", "unable to parse startup options"),
    "pve-storage-id": _storage_id,
    "pve-storage-id-list": _list_of(_storage_id),
    "pve-storage-path": _absolute_path,
    "pve-tag-list": _list_of(_TAG),
    "pve-userid": _USER,
    "pve-userid-list": _list_of(_USER),
    "pve-task-status-type-list": _list_of(_pattern(r"(?i:ok|error|warning|unknown)", "invalid status '{value}'")),
    "pve-vmid": _vmid,
    "pve-vmid-list": _list_of(_vmid),
    "pve-volume-id": _VOLUME,
    "prune-backups": _prune_backups,
    "urlencoded": _pattern(r"(?:[-%a-zA-Z0-9_.!~*'()])*", "invalid urlencoded string: {value}"),
}


def check_format(name: str, value: str) -> None:
    """Checks a value against a named format; a format that the lab does not know accepts everything."""
    check = FORMATS.get(name)
    if check:
        check(value)
