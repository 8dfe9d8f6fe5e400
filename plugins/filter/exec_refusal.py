# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.steward.proxmox.plugins.module_utils._errors import StewardError
from ansible_collections.steward.proxmox.plugins.plugin_utils._exec.guard import How, policy_for

DOCUMENTATION = r"""
name: exec_refusal
version_added: "0.1.0"
short_description: Why no command may be run in a guest
description:
  - Tells beforehand whether the connection P(steward.proxmox.pct#connection) or P(steward.proxmox.qga#connection) would
    let a command into a guest, by the allowlist and the policy of the run. Nothing is connected to or asked.
author: steward.proxmox contributors (!UNKNOWN)
positional: _input, how
options:
  _input:
    description: Id of the guest. It need not exist.
    type: int
    required: true
  how:
    description: The connection.
    type: str
    choices: [pct, qga]
    required: true
"""

EXAMPLES = r"""
- name: Stop before anything is made
  ansible.builtin.assert:
    that: refusal | length == 0
    fail_msg: "{{ refusal }}"
  vars:
    refusal: "{{ 9001 | steward.proxmox.exec_refusal('pct') }}"
"""

RETURN = r"""
_value:
  description: Why not, and what to do about it. Empty where commands may be run.
  type: str
"""


def exec_refusal(vmid: int, how: How) -> str:
    try:
        policy_for(how, int(vmid))
    except StewardError as error:
        return str(error)
    return ""


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"exec_refusal": exec_refusal}
