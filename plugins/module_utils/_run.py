# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The door of a module that runs on a target: AnsibleModule in, planner, result out.

It must reach the AnsibleModule constructor before any I/O, so that documentation tools can read the spec.
"""

from __future__ import annotations

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ._engine import Work, failure
from ._errors import StewardError
from ._memory import Memory
from ._planner import RECORDED, Planner
from ._policy import POLICY


def run(planner: Planner) -> None:
    """Plan, and where it is not check mode, carry out. The front door asked for leave and recorded it before."""
    module = AnsibleModule(argument_spec=planner.argument_spec(), supports_check_mode=True, **planner.rules)
    door = module.params.pop("front_door") or {}
    memory = Memory.of(door.get("memory", []))
    work = None
    try:
        options = {**module.params, POLICY: door.get("policy"), RECORDED: door.get("recorded")}
        work = Work(planner, options, memory, module.check_mode)
        work.judge()
        if module.check_mode:
            memory.remember(work.plan, {}, check=True)
        elif work.plan.steps and not door.get("plan_only"):
            work.allow(door.get("digest"))
            work.carry_out()
        elif not work.plan.steps:
            work.settle()
        result = work.result(diff=module._diff)
    except StewardError as error:
        module.fail_json(**failure(error, work), front_door=_told(memory, work))
    for warning in result.pop("warnings", []):
        module.warn(warning)
    module.exit_json(**result, front_door=_told(memory, work))


def _told(memory: Memory, work: Work | None) -> dict[str, Any]:
    """What only the front door gets to see: what the run remembers from here on, and what the plan is bound to."""
    return {"memory": memory.entries, "binding": work.plan.binding if work else {}}
