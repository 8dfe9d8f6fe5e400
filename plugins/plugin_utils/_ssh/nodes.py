# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The nodes on which a container may be: the one where it was found in this run comes first."""

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.steward.proxmox.plugins.plugin_utils import _run_state

_NAME = "container-nodes"


def in_order(vmid: int, nodes: Sequence[str]) -> list[str]:
    if len(nodes) == 1:
        return list(nodes)
    found = [note["node"] for note in _run_state.notes(_NAME) if note["vmid"] == vmid and note["node"] in nodes]
    return sorted(nodes, key=lambda node: node not in found[-1:])


def found(vmid: int, nodes: Sequence[str], node: str) -> None:
    """Remember it for the tasks that follow: each of them is a process of its own."""
    if in_order(vmid, nodes)[0] != node:
        _run_state.note(_NAME, {"vmid": vmid, "node": node})
