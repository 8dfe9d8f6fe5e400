# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules that read have in common: which guests, how many, how many at once."""

from __future__ import annotations


class ModuleDocFragment:
    # How much is returned, and how fast it is read.
    DOCUMENTATION = r"""
options:
  limit:
    description:
      - How many entries to return at most, at least 1. RV(ignore:total) says how many there are.
      - With or without it, a result of more than 500,000 characters is cut, and RV(ignore:truncated) says so.
    type: int
  concurrency:
    description: How many requests may be under way at once, from 1 to 32, where one is needed for each guest, storage
      or node.
    type: int
    default: 8
"""

    # Which guests; FILTERS of module_utils/_info/guests.py.
    GUESTS = r"""
options:
  vmid:
    description: Only guests with one of these ids.
    type: list
    elements: int
  name:
    description: Only guests with this name.
    type: str
  name_pattern:
    description: Only guests whose name fits this shell pattern, for example V(web-*). Upper and lower case differ.
    type: str
  node:
    description: Only guests on this node.
    type: str
  type:
    description: Only guests of this type.
    type: str
    choices: [lxc, qemu]
  tags:
    description: Only guests that have all of these tags.
    type: list
    elements: str
    aliases: [tag]
  pool:
    description: Only guests in this pool.
    type: str
  status:
    description: Only guests with this status in the cluster's list, such as V(running), V(stopped), V(paused), or
      V(unknown) for those on nodes that do not answer. The list is up to ten seconds old.
    type: str
  template:
    description: Only templates, or only guests that are none.
    type: bool
"""
