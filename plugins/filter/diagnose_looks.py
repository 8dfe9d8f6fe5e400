# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.steward.proxmox.plugins.module_utils._diagnose.looks import looks
from ansible_collections.steward.proxmox.plugins.module_utils._errors import StewardError

DOCUMENTATION = r"""
name: diagnose_looks
version_added: "0.1.0"
short_description: Which commands look inside of a node or a guest
description:
  - The commands whose results P(steward.proxmox.diagnose_flags#filter) turns into flags. They only read, and need no
    more than a shell.
  - The role P(steward.proxmox.diagnose#role) runs them.
author: steward.proxmox contributors (!UNKNOWN)
positional: _input
options:
  _input:
    description:
      - Where to look, as C(host), a host of the inventory, or C(vmid) and C(how) (V(pct) or V(qga)), a guest that the
        role makes a host called C(diagnose-) and its id. C(subject) is what flags call it.
      - Its own C(logs) and C(psql) take the place of those options.
    type: dict
    required: true
  checks:
    description:
      - Which of the general checks. V(inside) is whether anything can be run there, V(node) whether a host is the node
        that C(subject) names.
    type: list
    elements: str
    choices: [node, inside, units, disks, inodes, memory, journal, ports]
    default: [inside, units, disks, inodes, memory, journal, ports]
  since:
    description: How far back to read the journal, such as V(12h) or V(7d).
    type: str
    default: 1d
  lines:
    description: How many lines of the journal and of each log.
    type: int
    default: 40
  logs:
    description: Files whose ends are read, by their absolute paths.
    type: list
    elements: str
    default: []
  psql:
    description:
      - Queries, each with C(query), C(database), C(user) (a user of the system, V(postgres) by default) and C(expect),
        a regular expression that the rows have to match.
      - A query is one statement, and runs in a read-only transaction that is rolled back.
    type: list
    elements: dict
    default: []
  pattern:
    description: What an error looks like in a log, as a regular expression of Python.
    type: str
"""

EXAMPLES = r"""
- name: Show what would be run
  ansible.builtin.debug:
    msg: "{{ {'vmid': 101, 'logs': ['/var/log/app.log']} | steward.proxmox.diagnose_looks }}"
"""

RETURN = r"""
_value:
  description: For each command C(host), C(subject), C(check) and C(command), and C(name) where a check has several.
  type: list
  elements: dict
"""


def diagnose_looks(place: Mapping[str, Any], **options: Any) -> list[dict[str, Any]]:
    try:
        return looks(place, **options)
    except (StewardError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise AnsibleFilterError(f"diagnose_looks: {error}") from error


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"diagnose_looks": diagnose_looks}
