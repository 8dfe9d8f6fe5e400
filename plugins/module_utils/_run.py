# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The door of a module that runs on a target: AnsibleModule in, planner, result out.

It must reach the AnsibleModule constructor before any I/O, so that documentation tools can read the spec.
"""

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule

from ._engine import Work, failure
from ._errors import StewardError
from ._memory import Memory
from ._planner import POLICY, Planner


def run(planner: Planner) -> None:
    """Plan, and where it is not check mode, carry out. The front door did privileges and ledger before."""
    module = AnsibleModule(argument_spec=planner.argument_spec(), supports_check_mode=True, **planner.rules)
    door = module.params.pop("front_door") or {}
    memory = Memory.of(door.get("memory", []))
    work = None
    try:
        work = Work(planner, {**module.params, POLICY: door.get("policy")}, memory, module.check_mode)
        if module.check_mode:
            memory.remember(work.plan, {}, check=True)
        elif work.plan.steps and not door.get("plan_only"):
            work.allow(door.get("digest"))
            work.carry_out()
        elif not work.plan.steps:
            work.settle()
        result = work.result(diff=module._diff)
    except StewardError as error:
        module.fail_json(**failure(error, work))
    for warning in result.pop("warnings", []):
        module.warn(warning)
    module.exit_json(**result, front_door=memory.entries)
