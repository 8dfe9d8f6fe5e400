# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.steward.proxmox.plugins.module_utils._diagnose.flags import Limits, counted, ordered, shown
from ansible_collections.steward.proxmox.plugins.module_utils._diagnose.inside import JUDGES, inside

DOCUMENTATION = r"""
name: diagnose_flags
version_added: "0.1.0"
short_description: What is wrong inside of nodes and guests
description:
  - Turns what commands printed inside of nodes and guests into flags like those of
    M(steward.proxmox.diagnose_info). A command that failed, and a guest that could not be reached, are flags of the
    level V(unread).
  - The role P(steward.proxmox.diagnose#role) runs the commands and uses this filter.
author: steward.proxmox contributors (!UNKNOWN)
positional: _input
options:
  _input:
    description:
      - The results of the tasks, each with C(check) and C(subject) added, and where there are several of a check
        C(name) - the file of a log or the database of a query.
      - The checks are those of P(steward.proxmox.diagnose_looks#filter), and V(smart) and V(sensors) for what
        M(steward.proxmox.privileged_host) returns. A result of V(log) can have C(pattern), what an error looks like,
        and one of V(psql) C(expect), what its rows have to look like, both regular expressions.
    type: list
    elements: dict
    required: true
  api:
    description: The result of M(steward.proxmox.diagnose_info), whose flags and evidence are put among these.
    type: dict
    default: {}
  limits:
    description: From where on something is flagged, by the names of the options of M(steward.proxmox.diagnose_info) -
      C(full), C(full_critical), C(memory) and C(memory_critical) count here.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: See how full the disks are
  ansible.builtin.command:
    cmd: df -P -k
  register: disks
  changed_when: false
  failed_when: false

- name: Tell it
  ansible.builtin.debug:
    msg: "{{ [disks | combine({'check': 'disks', 'subject': inventory_hostname})] | steward.proxmox.diagnose_flags }}"
"""

RETURN = r"""
_value:
  description: C(flags), the worst first; C(counts) of each level; C(evidence), by subject and check; and C(nodes) and
    C(grants) as M(steward.proxmox.diagnose_info) returns them.
  type: dict
"""

_INSIDE = ("full", "full_critical", "memory", "memory_critical")


def diagnose_flags(
    looks: Iterable[Mapping[str, Any]], api: Mapping[str, Any] | None = None, limits: Mapping[str, int] | None = None
) -> dict[str, Any]:
    looks, api = list(looks), api or {}
    for look in looks:
        if look.get("check") not in JUDGES or not look.get("subject"):
            raise AnsibleFilterError(
                f"diagnose_flags: a result has the check {look.get('check')!r} of {look.get('subject')!r};"
                f" each needs a subject, and one of these checks: {', '.join(JUDGES)}"
            )
    try:
        found, evidence = inside(looks, _limits(limits or {}))
    except (TypeError, ValueError, re.error) as error:
        raise AnsibleFilterError(f"diagnose_flags: {error}") from error
    flags = ordered([*api.get("flags", ()), *(shown(flag, {}) for flag in found)])
    known = api.get("evidence", {})
    return {
        "flags": flags,
        "counts": counted(flags),
        "grants": list(api.get("grants", ())),
        "nodes": list(api.get("nodes", ())),
        "evidence": {**known, **{subject: {**known.get(subject, {}), **own} for subject, own in evidence.items()}},
    }


def _limits(given: Mapping[str, int]) -> Limits:
    """Those that count inside; a dictionary for the whole diagnosis has more."""
    own: dict[str, Any] = {name: int(value) for name, value in given.items() if name in _INSIDE}
    return Limits(now=0.0, **own)


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"diagnose_flags": diagnose_flags}
