# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What may be done, and by whom: said in many places, of which the strictest holds; and the judge of a plan.

A place that says one more thing can tighten what others say, and never loosen it. Every value has its origin: the words
for who said so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import reduce
from typing import Any

from ._blast import LEVELS
from ._errors import Refused
from ._limits import Limit, Limits
from ._plan import Plan
from ._policy_keys import KEYS, PROTECT_FROM, WORDS, Origin, known
from ._protect import PROTECTS, Ids, Protect, refuse_protected
from ._world import World

#: beside the options, from the front door alone: the policy that holds on the controller, which no task may loosen
POLICY = "front_door_policy"

#: the built-in policy, and what a policy file leaves out
GUARDED: dict[str, Any] = {
    "approval": "destructive",
    "limits": {"max_cpu": 16, "max_ram_mb": 32768, "max_disk_gb": 500, "max_vms": 50},
    "valid_for": "8h",
}
#: what a task, and module_defaults, may say
TIGHTENED = ("approval", "max_risk", "protect", "limits", "snapshot_before")


@dataclass(frozen=True)
class Policy:
    """What holds. A key that nobody says has its default here, and no origin."""

    approval: str = "none"
    max_risk: str = "high"
    ledger: str = "optional"
    plan: str = "optional"
    signature: str = "optional"
    snapshot_before: str = "never"
    #: seconds that a saved plan and a request for approval are good for
    valid_for: int = 8 * 3600
    limits: Limits = field(default_factory=Limits)
    protect: tuple[Protect, ...] = ()
    #: who may change anything, as source:name; None is everybody
    actors: tuple[str, ...] | None = None
    #: who may sign a plan: name -> public key; None is nobody in particular
    signers: Mapping[str, str] | None = None
    #: where commands may be run in guests: how -> ids; None and what is left out is nowhere
    exec: Mapping[str, Ids] | None = None
    #: key -> who said so
    origins: Mapping[str, str] = field(default_factory=dict)

    @property
    def ledger_required(self) -> bool:
        return self.ledger == "required"

    @property
    def plan_required(self) -> bool:
        return self.plan == "required"

    @property
    def signature_required(self) -> bool:
        return self.signature == "required"

    @classmethod
    def of(cls, given: Mapping[str, Any], origin: Origin) -> Policy:
        """What one place says. Raises BadInput naming the key, its value and what is allowed."""
        known(given, KEYS, "", origin)
        said = {name: KEYS[name].read(value, name, origin) for name, value in given.items()}
        return cls(**said, origins={name: origin(name) for name in said})

    @classmethod
    def strictest(cls, *many: Policy) -> Policy:
        """What holds where several places say something."""
        said: dict[str, tuple[Any, str]] = {}
        for name, key in KEYS.items():
            values = [(getattr(one, name), one.origins[name]) for one in many if name in one.origins]
            if values:
                said[name] = reduce(key.strictest_of, values)
        values_of = {name: value for name, (value, _origin) in said.items()}
        return cls(**values_of, origins={name: origin for name, (_value, origin) in said.items()})

    @classmethod
    def of_task(cls, options: Mapping[str, Any]) -> Policy:
        """What holds for a task: the policy of the controller, and what the task itself says."""
        own = {name: options[name] for name in TIGHTENED if options.get(name) is not None}
        return cls.strictest(cls.restored(options.get(POLICY) or {}), cls.of(own, lambda key: key))

    def export(self) -> dict[str, Any]:
        """As data that JSON can carry to a module on a target."""
        return asdict(self)

    @classmethod
    def restored(cls, exported: Mapping[str, Any]) -> Policy:
        """The policy behind what `export` gave."""
        again = dict(exported)
        if "limits" in again:
            limits = {name: Limit(**limit) for name, limit in again["limits"].items() if limit}
            again["limits"] = Limits(**limits)
            again["protect"] = tuple(Protect(**rule) for rule in again["protect"])
            again["actors"] = None if again["actors"] is None else tuple(again["actors"])
            again["exec"] = again["exec"] and {
                how: tuple((first, last) for first, last in ids) for how, ids in again["exec"].items()
            }
        return cls(**again)


def gate_spec() -> dict[str, dict[str, Any]]:
    """The options of the doc fragment `policy`, for modules that write."""
    return {
        "approval": {"type": "str", "choices": list(WORDS["approval"])},
        "max_risk": {"type": "str", "choices": list(reversed(WORDS["max_risk"]))},
        "protect": {
            "type": "dict",
            "options": {
                **{what: {"type": "list", "elements": "str"} for what in PROTECTS},
                "from": {"type": "str", "default": "destructive", "choices": list(PROTECT_FROM)},
            },
        },
        "approve": {"type": "list", "elements": "str"},
    }


def judge(policy: Policy, plan: Plan, world: World) -> None:
    """Raise Refused where the policy forbids the plan, whoever approves it."""
    if not plan.steps:
        return
    risk = plan.blast.risk(changes=True)
    if LEVELS.index(risk["level"]) > LEVELS.index(policy.max_risk):
        raise Refused(
            f"{plan.summary}: its risk is {risk['level']} ({'; '.join(risk['reasons'])}), and the most that is allowed"
            f" is {policy.max_risk} ({policy.origins['max_risk']})",
            "Ask for less, or have max_risk raised where it is set",
        )
    refuse_protected(policy.protect, plan, world)
