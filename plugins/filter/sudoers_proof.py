# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.steward.proxmox.plugins.module_utils._errors import BadInput
from ansible_collections.steward.proxmox.plugins.plugin_utils._sudoers import Agent, proof

DOCUMENTATION = r"""
name: sudoers_proof
version_added: "0.1.0"
short_description: Command lines that prove the rules of the filter sudoers
description:
  - With the same options as P(steward.proxmox.sudoers#filter), command lines that its rules must allow, and hundreds
    of others that come close to them and must be refused. Nothing is run by asking C(sudo -n -l) about them.
author: steward.proxmox contributors (!UNKNOWN)
positional: _input
extends_documentation_fragment:
  - steward.proxmox.sudoers
"""

EXAMPLES = r"""
- name: Show what must be refused
  ansible.builtin.debug:
    msg: "{{ 'steward' | steward.proxmox.sudoers_proof | selectattr('answer', 'equalto', 'refused') }}"
"""

RETURN = r"""
_value:
  description: A row for each command line.
  type: list
  elements: dict
  contains:
    answer:
      description: What sudo must say, V(allowed) or V(refused).
      type: str
    line:
      description: The command line, quoted for a shell.
      type: str
"""


def sudoers_proof(user: str, **options: Any) -> list[dict[str, str]]:
    try:
        return proof(Agent(user, **options))
    except (BadInput, TypeError) as error:
        raise AnsibleFilterError(f"There are no such rules: {getattr(error, 'message', error)}") from error


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"sudoers_proof": sudoers_proof}
