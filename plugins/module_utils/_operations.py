# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every operation that a step of a plan can be: its sign in reports, and whether it destroys. One table. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ._plan import Step

CREATE, CHANGE, DESTROY, BACK, OTHER = "+", "~", "-", "<", ">"


@dataclass(frozen=True)
class Operation:
    """One kind of step. `destroys`: what is lost by it that no later task brings back; "" for nothing."""

    sign: str
    destroys: str = ""


def _all(sign: str, *names: str) -> dict[str, Operation]:
    return dict.fromkeys(names, Operation(sign))


_UNKNOWN = "what it destroys is not known"

OPERATIONS: dict[str, Operation] = {
    **_all(CREATE, "backup", "clone", "create", "restore", "snapshot"),
    **_all(CHANGE, "describe", "detach", "migrate", "move", "pool", "resize", "update"),
    **_all(OTHER, "exec", "fetch", "hibernate", "mount", "pause", "put", "reboot", "resume", "shutdown", "start"),
    "unmount": Operation(OTHER),
    "template": Operation(CHANGE, "it can never be started again"),
    "stop": Operation(OTHER, "what was not written to its disks is lost"),
    "reset": Operation(OTHER, "what was not written to its disks is lost"),
    "rollback": Operation(BACK, "everything since the snapshot is lost"),
    "overwrite": Operation(BACK, "everything in the guest is lost"),
    "delete": Operation(DESTROY, "it is gone"),
    "delsnapshot": Operation(DESTROY, "it cannot be rolled back to any more"),
    "destroy": Operation(DESTROY, "the guest and its volumes are gone"),
    "destroy disk": Operation(DESTROY, "its data are gone"),
    "destroy volume": Operation(DESTROY, "its data are gone"),
    # writes of `api`, which knows nothing of what it sends
    "post": Operation(OTHER, _UNKNOWN),
    "put": Operation(CHANGE, _UNKNOWN),
}


def sign(op: str) -> str:
    return OPERATIONS[op].sign if op in OPERATIONS else OTHER


def destroys(op: str) -> str:
    """What an operation destroys; "" for nothing. One that is not in the table is not trusted."""
    return OPERATIONS[op].destroys if op in OPERATIONS else _UNKNOWN


def destructive(steps: Iterable[Step]) -> list[Step]:
    """The steps that destroy something."""
    return [step for step in steps if destroys(step.op)]
