# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.steward.proxmox.plugins.module_utils._errors import BadInput
from ansible_collections.steward.proxmox.plugins.plugin_utils._sudoers import Agent

DOCUMENTATION = r"""
name: sudoers
version_added: "0.1.0"
short_description: The rules of sudo for a user who works with privileged_host
description:
  - The content of a file for C(/etc/sudoers.d), one rule for each command that M(steward.proxmox.privileged_host) runs
    as root, made from the table that the module itself goes by.
  - The rules are regular expressions from C(^) to C($), which need sudo 1.9.10 or later.
author: steward.proxmox contributors (!UNKNOWN)
positional: _input
extends_documentation_fragment:
  - steward.proxmox.sudoers
"""

EXAMPLES = r"""
- name: Show what an administrator would allow
  ansible.builtin.debug:
    msg: "{{ 'steward' | steward.proxmox.sudoers(operations=['smart', 'sensors']) }}"
"""

RETURN = r"""
_value:
  description: The content of the file.
  type: str
"""


def sudoers(user: str, **options: Any) -> str:
    try:
        return Agent(user, **options).sudoers()
    except (BadInput, TypeError) as error:
        raise AnsibleFilterError(f"There are no such rules: {getattr(error, 'message', error)}") from error


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"sudoers": sudoers}
