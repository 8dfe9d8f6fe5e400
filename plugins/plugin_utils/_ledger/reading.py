# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading from a ledger: which one, and what is told where that cannot be."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ansible_collections.steward.proxmox.plugins.module_utils._errors import BadInput, Refused
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger import location, note, verify


@contextmanager
def ledger_of(options: Mapping[str, Any]) -> Iterator[verify.Source]:
    """The ledger that a task names, or the configured one. Whatever cannot be read in it raises a StewardError."""
    try:
        yield location.source(options)
    except verify.Tampered as error:
        raise not_as_written(str(error)) from error
    except (OSError, verify.Unverifiable) as error:
        raise BadInput(f"path, dsn: the ledger {location.shown(options)} cannot be read: {error}") from error


def read_verified(source: verify.Source, run: str, see: Callable[[dict[str, Any]], None] = lambda frame: None) -> None:
    """Read a run to the end of each record, and hand it to `see`. Raises Refused where it is not what was written."""
    problem = verify.read(source, run, see=see).problem
    if problem:
        raise not_as_written(f"{problem.file} record {problem.record}: {problem.reason}")


def says(source: verify.Source, run: str, *words: bytes) -> bool:
    """Whether a record of the run has all of these words in it."""
    return any(all(word in line for word in words) for line in source.lines(run))


def public_key_of(text: str | None) -> str:
    """The option `public_key`: a key, or a file that holds one; "" where it is not given."""
    try:
        return note.Key.parse(verify.key_or_file(text)).vkey if text else ""
    except (OSError, ValueError) as error:
        raise BadInput(f"public_key: {error}") from error


def not_as_written(what: str) -> Refused:
    return Refused(
        f"The ledger is not what was written: {what}",
        "Run steward.proxmox.verify_ledger, and find out who changed it",
    )
