# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who asks: tickets with their CSRF token, and API tokens."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Mapping
from http.cookies import SimpleCookie
from typing import Any

from .errors import Refusal, Unauthorized
from .permissions import Caller
from .state import State

# These are reached without logging in.
OPEN_PATHS = {("POST", "/access/ticket"), ("GET", "/access/ticket"), ("GET", "/access/domains")}
LIFETIME = 7200


class Tickets:
    """Signs tickets with a key that lives as long as the lab."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)

    def issue(self, user: str) -> tuple[str, str]:
        stamp = f"PVE:{user}:{int(time.time()):08X}"
        return f"{stamp}::{self._sign(stamp)}", f"{stamp[-8:]}:{self._sign('csrf' + stamp)}"

    def _sign(self, text: str) -> str:
        return hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()

    def user(self, ticket: str) -> str | None:
        stamp, _unused, signature = ticket.partition("::")
        match = re.fullmatch(r"PVE:(.+):([0-9A-F]{8})", stamp)
        if not match or not hmac.compare_digest(signature, self._sign(stamp)):
            return None
        return match[1] if int(match[2], 16) > time.time() - LIFETIME else None

    def csrf_fits(self, ticket: str, csrf: str) -> bool:
        stamp = ticket.partition("::")[0]
        return hmac.compare_digest(csrf, f"{stamp[-8:]}:{self._sign('csrf' + stamp)}")


def identify(state: State, tickets: Tickets, method: str, path: str, headers: Mapping[str, str]) -> Caller | None:
    """The caller of a request, None where nobody needs to log in, or Unauthorized."""
    authorization = headers.get("authorization", "")
    if authorization.startswith("PVEAPIToken"):
        return _by_token(state, authorization)
    cookie: Any = SimpleCookie(headers.get("cookie", "")).get("PVEAuthCookie")
    ticket = _unquote(cookie.value) if cookie else ""
    if (method, path) in OPEN_PATHS:
        return None
    if not ticket:
        raise Unauthorized("No ticket")
    user = tickets.user(ticket)
    if user is None or not enabled(state, user):
        raise Unauthorized("permission denied - invalid PVE ticket")
    if method != "GET" and not tickets.csrf_fits(ticket, headers.get("csrfpreventiontoken", "")):
        raise Unauthorized("Permission denied - invalid csrf token")
    return Caller(user)


def _unquote(value: str) -> str:
    return re.sub(r"%([0-9A-Fa-f]{2})", lambda match: chr(int(match[1], 16)), value)


def _by_token(state: State, authorization: str) -> Caller:
    """All that can be wrong with a token looks the same from outside."""
    match = re.fullmatch(r"PVEAPIToken[= ]([^!=\s]+)!([^!=\s]+)=(\S+)", authorization)
    if match:
        user, name, secret = match.groups()
        token = state.users.get(user, {}).get("tokens", {}).get(name)
        if token and enabled(state, user) and _alive(token) and hmac.compare_digest(token["secret"], secret):
            return Caller(user, name)
    raise Unauthorized("Authentication failed!")


def enabled(state: State, user: str) -> bool:
    found = state.users.get(user)
    return found is not None and bool(found.get("enable", 1)) and _alive(found)


def _alive(entry: dict[str, Any]) -> bool:
    expire = int(entry.get("expire", 0))
    return not expire or expire > time.time()


def check_password(state: State, user: str, password: str) -> None:
    stored = state.users.get(user, {}).get("password")
    if not enabled(state, user) or not stored or not hmac.compare_digest(stored, password):
        raise Refusal(401, "authentication failure\n")
