# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.steward.proxmox.plugins.plugin_utils._grants import grants

DOCUMENTATION = r"""
name: least_privilege
version_added: "0.1.0"
short_description: What a token needs to carry out a saved plan
description:
  - From the JSON file of the callback P(steward.proxmox.plan#callback), the entries of the access control list with
    which a token can carry out its plans, and no more than that.
  - Where an operation or a read can be done with any one of several privileges, one is chosen; one that is needed
    anyhow before others.
author: steward.proxmox contributors (!UNKNOWN)
positional: _input
options:
  _input:
    description: The content of the file, parsed.
    type: dict
    required: true
  extra:
    description:
      - What the plans do not tell, as a list of C(path) and C(privileges). Tasks of M(steward.proxmox.api) that write,
        and tasks that find nothing to do, are such things.
      - A path that ends in C(/*) means everything below it.
    type: list
    elements: dict
    default: []
  prefix:
    description: How the names of the roles begin.
    type: str
    default: least
"""

EXAMPLES = r"""
- name: Show what a token needs
  ansible.builtin.debug:
    msg: "{{ lookup('ansible.builtin.file', 'plan.json') | from_json | steward.proxmox.least_privilege }}"
"""

RETURN = r"""
_value:
  description:
    - One entry for each path, with C(path), C(propagate), C(privileges) (sorted) and C(role), a name that is the same
      for the same privileges.
  type: list
  elements: dict
"""


def least_privilege(
    report: Mapping[str, Any], extra: Iterable[Mapping[str, Any]] = (), prefix: str = "least"
) -> list[dict[str, Any]]:
    try:
        return grants(report, extra, prefix)
    except (KeyError, TypeError, ValueError) as error:
        raise AnsibleFilterError(f"What the plan needs cannot be told: {error}") from error


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"least_privilege": least_privilege}
