# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """Who may do what, for the filters that make rules of sudo."""

    DOCUMENTATION = r"""
options:
  _input:
    description: Name of the user. Lower case letters, digits, C(-) and C(_), and not V(root).
    type: str
    required: true
  operations:
    description: The operations of M(steward.proxmox.privileged_host) that the user may carry out.
    type: list
    elements: str
    choices: [golden_lxc, usb_mount, smart, sensors]
    default: [golden_lxc, usb_mount, smart, sensors]
  exec_vmids:
    description: Containers in which the user may run any command, for the connection P(steward.proxmox.pct#connection).
    type: list
    elements: int
    default: []
  pct:
    description: Absolute path of C(pct).
    type: str
    default: /usr/sbin/pct
"""
