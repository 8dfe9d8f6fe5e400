# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the ledger is: a directory, or a PostgreSQL database."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.plugins.loader import callback_loader
from ansible_collections.steward.proxmox.plugins.module_utils._errors import BadInput
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger import verify
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.files import FileStore
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.postgresql import PostgresStore
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.postgresql import source as rows_of
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.store import Store

#: what every module that reads a ledger takes; documented by the fragment `ledger`
LOCATION_SPEC: dict[str, Any] = {"path": {"type": "path"}, "dsn": {"type": "str", "no_log": True}}

_CALLBACK = "steward.proxmox.ledger"


def configured() -> dict[str, Any]:
    """The callback's options, as Ansible resolves them whether or not the callback is enabled."""
    callback = callback_loader.get(_CALLBACK)
    callback.set_options()
    return dict(callback.get_options())


def source(options: Mapping[str, Any]) -> verify.Source:
    """The ledger that a task names, or else the configured one, to be read.

    Raises BadInput for two places, verify.Unverifiable where there is none.
    """
    place = _named(options) or configured()
    return rows_of(place["dsn"]) if place.get("dsn") else verify.source(place["path"])


def store(options: Mapping[str, Any]) -> Store:
    """The same, to be written. Raises LedgerError where that cannot be."""
    return open_store(_named(options) or configured())


def open_store(place: Mapping[str, Any]) -> Store:
    """The store that the callback is configured with: a database outranks the directory, which has a default."""
    if place.get("dsn"):
        return PostgresStore(place["dsn"])
    size = {"segment_size": place["segment_size"]} if place.get("segment_size") else {}
    return FileStore(Path(place["path"]), **size)


def shown(options: Mapping[str, Any]) -> str:
    """What people are told: the directory, or which option names the database, for that may hold a password."""
    place = _named(options) or configured()
    return "that dsn names" if place.get("dsn") else str(place["path"])


def _named(options: Mapping[str, Any]) -> dict[str, Any]:
    named = {name: options[name] for name in LOCATION_SPEC if options.get(name)}
    if len(named) > 1:
        raise BadInput("path, dsn: a ledger is in one place", "Give only one of them")
    return named
