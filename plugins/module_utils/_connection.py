# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The connection options that every module shares: argument spec, environment, and what they mean together."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ._errors import BadInput

#: option -> (argument spec, environment variable or None)
_OPTIONS: dict[str, tuple[dict[str, Any], str | None]] = {
    "api_host": ({"type": "list", "elements": "str"}, "PROXMOX_HOST"),
    "api_port": ({"type": "int"}, "PROXMOX_PORT"),
    "api_user": ({"type": "str"}, "PROXMOX_USER"),
    "api_password": ({"type": "str", "no_log": True}, "PROXMOX_PASSWORD"),
    "api_token_id": ({"type": "str", "no_log": False}, "PROXMOX_TOKEN_ID"),
    "api_token_secret": ({"type": "str", "no_log": True}, "PROXMOX_TOKEN_SECRET"),
    "validate_certs": ({"type": "bool", "default": True}, "PROXMOX_VERIFY_SSL"),
    "ca_path": ({"type": "path"}, "PROXMOX_CA_PATH"),
    "fingerprint": ({"type": "str"}, "PROXMOX_FINGERPRINT"),
    "api_timeout": ({"type": "int", "default": 30}, None),
    "connect_timeout": ({"type": "int", "default": 5}, None),
}
_WAITING: dict[str, dict[str, Any]] = {
    "wait": {"type": "bool", "default": True},
    "task_timeout": {"type": "int", "default": 600},
    "lock_timeout": {"type": "int", "default": 60},
}

#: how many requests can be under way to one node: connections that are kept open
MOST_AT_ONCE = 32

ENVIRONMENT = {name: variable for name, (_spec, variable) in _OPTIONS.items() if variable}
#: what a play may set once for all modules, in module_defaults of the action group
GROUP_OPTIONS = frozenset({*_OPTIONS, *_WAITING})


def argument_spec() -> dict[str, dict[str, Any]]:
    """The options of the doc fragment `connection`. The front door resolves the environment, on the controller."""
    return {name: dict(spec) for name, (spec, _variable) in _OPTIONS.items()}


def waiting_spec() -> dict[str, dict[str, Any]]:
    """The options of the doc fragment `waiting`, for modules that write."""
    return {name: dict(spec) for name, spec in _WAITING.items()}


_SHA256 = re.compile(r"[0-9A-F]{64}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_PRINTABLE = re.compile(r"[!-~]+")
_HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9._])?")


@dataclass(frozen=True)
class Connection:
    """Where to go and as whom, checked; secrets stay out of its repr."""

    hosts: tuple[str, ...]
    port: int | None
    user: str
    token: str
    secret: str
    validate_certs: bool
    ca_path: str | None
    fingerprint: str | None
    timeout: tuple[float, float]

    @property
    def identity(self) -> str:
        """The name that privileges are granted to: a user, or a token `user@realm!name`."""
        return f"{self.user}!{self.token}" if self.token else self.user

    @property
    def is_root(self) -> bool:
        """May do what only root@pam may: that needs its password; no token of root has that right."""
        return self.identity == "root@pam"

    def __repr__(self) -> str:
        return f"Connection({self.identity} at {', '.join(self.hosts)})"


def resolve(options: Mapping[str, Any]) -> Connection:
    """The connection that the options describe. Raises BadInput naming the option that is missing or wrong."""
    hosts = tuple(host.strip() for host in options.get("api_host") or [] if host and host.strip())
    if not hosts:
        raise BadInput("api_host is not set", "Give api_host (one node or several of one cluster) or PROXMOX_HOST")
    for host in hosts:
        if not _is_host(host):
            raise BadInput(
                f"api_host '{host[:80]}' is not a host name or address",
                "Give names or addresses, without https:// and without the port (api_port)",
            )
    user, token, secret = _credential(options)
    return Connection(
        hosts=hosts,
        port=options.get("api_port"),
        user=user,
        token=token,
        secret=secret,
        validate_certs=options.get("validate_certs") is not False,
        ca_path=options.get("ca_path"),
        fingerprint=_fingerprint(options.get("fingerprint")),
        timeout=(float(options.get("connect_timeout") or 5), float(options.get("api_timeout") or 30)),
    )


def _is_host(text: str) -> bool:
    if ":" not in text:
        return len(text) <= 512 and bool(_HOST.fullmatch(text))
    try:
        return bool(ipaddress.IPv6Address(text.strip("[]")))
    except ValueError:
        return False


def _credential(options: Mapping[str, Any]) -> tuple[str, str, str]:
    """(user@realm, token name or "", password or token secret)"""
    user, token = _names(str(options.get("api_user") or ""), str(options.get("api_token_id") or ""))
    password, secret = options.get("api_password"), options.get("api_token_secret")
    if token and password:
        raise BadInput(
            f"api_password and a token ({user}!{token}) are both given",
            "Give one of them; an empty api_token_id and api_token_secret in the task take the token of module_defaults"
            " back",
        )
    if token:
        if not secret:
            raise BadInput(f"api_token_secret is not set, but a token is named ({user}!{token})")
        if not _PRINTABLE.fullmatch(str(secret)):
            raise BadInput("api_token_secret has blanks, line ends or other characters that no token secret has")
        return user, token, str(secret)
    if secret:
        raise BadInput("api_token_secret is set, but no token is named", "Give api_token_id as user@realm!name")
    if not password:
        raise BadInput(f"No credential for {user}", "Give api_password, or api_token_id with api_token_secret")
    return user, "", str(password)


def _names(user: str, token: str) -> tuple[str, str]:
    """User and token name, from either option: `user@realm!name` is understood in both."""
    for option, value in (("api_user", user), ("api_token_id", token)):
        if _CONTROL.search(value) or len(value) > 256:
            raise BadInput(f"{option} has control characters or more than 256 characters")
    user, _mark, name = user.partition("!")
    owner, mark, bare = token.partition("!")
    if mark and user and user != owner:
        raise BadInput(f"api_user '{user}' is not the owner of api_token_id '{token}'")
    if mark:
        user, token = owner, bare
    if name and token and name != token:
        raise BadInput(f"api_user names the token '{name}', and api_token_id the token '{token}'")
    if not user:
        hint = "Give api_user as user@realm, or api_token_id as user@realm!name; there is no default user"
        raise BadInput("api_user is not set", hint)
    if "@" not in user:
        raise BadInput(f"api_user '{user}' has no realm", "Write it as user@realm, for example root@pam or ansible@pve")
    return user, token or name


def _fingerprint(value: str | None) -> str | None:
    if not value:
        return None
    bare = value.replace(":", "").strip().upper()
    if not _SHA256.fullmatch(bare):
        raise BadInput(
            f"fingerprint '{value}' is not a SHA-256 fingerprint",
            "It has 64 hexadecimal digits, with or without colons",
        )
    return bare
