# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The planner of `undo`: one step that a ledger recorded, taken back by the planner that would make it.

What was recorded comes from the front door, which has verified the ledger. Each step becomes a task for the planner of
its module, so that blast radius, risk, privileges, policy and approval are those of any other task.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ._backup import BACKUP
from ._errors import NotFound, Refused
from ._guest.change import Change
from ._guest.guest import plan_change
from ._guest.identity import is_same
from ._guest.lookup import Guest, find
from ._guest.planners import LXC, VM
from ._guest.revert import Revert, all_of
from ._guest.tables import TABLES
from ._guest.volumes import storage_of, volume_codec, volume_of
from ._kind import planner_of
from ._kinds.access import ACL
from ._kinds.firewall import ALIAS
from ._kinds.principals import ROLE, USER
from ._limits import LIMITS_SPEC
from ._names import segment
from ._plan import Plan, is_symbol
from ._planner import RECORDED, Planner
from ._snapshot import SNAPSHOTS
from ._token import TOKEN
from ._world import World

Values = Mapping[str, Any]

#: the modules of objects that are made, changed and deleted, each in one step
_OBJECTS: dict[str, Planner] = {
    planner.name: planner for planner in (*map(planner_of, (ACL, ALIAS, ROLE, USER)), TOKEN)
}
_GUESTS = {"lxc": LXC, "qemu": VM}
#: an operation on a guest's power -> the state that it leads to
_STATES = {"start": "started", "stop": "stopped", "pause": "paused", "resume": "started", "hibernate": "hibernated"}

_OPTIONS: dict[str, dict[str, Any]] = {
    "run": {"type": "str", "required": True},
    "op": {"type": "str", "required": True},
    "step": {"type": "int"},
    "path": {"type": "path"},
    "dsn": {"type": "str", "no_log": True},
    "force": {"type": "bool", "default": False},
    "limits": LIMITS_SPEC,
}


def plan_undo(options: Values, world: World) -> Plan:
    """The plan that takes the recorded step back; none where it was not done, or is taken back already."""
    recorded = options.get(RECORDED)
    if not recorded:
        raise Refused("What the ledger recorded is only known to the front door of this module on the controller")
    settled = _settled(recorded)
    plan = Plan(summary=settled) if settled else _Undoing(options, recorded, world).plan()
    plan.result, plan.finish = {key: recorded[key] for key in ("of", "summary", "undone_by")}, None
    return plan


def _settled(recorded: Values) -> str:
    """Why there is nothing to take back, or ""."""
    by = recorded["undone_by"]
    if by:
        return f"'{recorded['summary']}' was taken back by run {by['run']} at {by['at']}"
    return "" if recorded["done"] else f"'{recorded['summary']}' was not done, so there is nothing to take back"


class _Undoing:
    """One recorded step on its way back."""

    def __init__(self, options: Values, recorded: Values, world: World) -> None:
        self.options, self.recorded, self.world = options, recorded, world
        self.undo: Values = recorded["undo"]
        self.target, self.force = str(self.undo["target"]), bool(options["force"])
        self._refuse_unknown()
        self._refuse_elsewhere()

    def plan(self) -> Plan:
        if "kind" in self.undo:
            plan = self._object(_OBJECTS[self.undo["kind"]])
        elif self.target.startswith("backup/"):
            plan = self._backup(self.target.partition("/")[2])
        else:
            kind, _slash, vmid = self.target.partition("/")
            plan = self._guest(kind, int(vmid))
        plan.summary = f"take back '{self.recorded['summary']}': {plan.summary}"
        return plan

    def _refuse_unknown(self) -> None:
        """A later version may have recorded what this one does not know."""
        op, named = self.undo["op"], self.undo.get("kind")
        ways = {*_WAYS, *_STATES, "restore"}
        if not (named in _OBJECTS if named else op in ways or self.target.startswith("backup/")):
            raise Refused(f"How {op} of {self.target} is taken back is not known to this version of the collection")

    def _refuse_elsewhere(self) -> None:
        """The same number on another cluster is another guest. Root's commands know no endpoint of the API."""
        then, now = self.recorded["endpoint"], self.options["api_host"]
        if then and not set(then) & set(now):
            raise Refused(
                f"'{self.recorded['summary']}' was done at {', '.join(then)}, and this task connects to"
                f" {', '.join(now)}",
                "If that is the same cluster, name that host in api_host, too",
            )

    def _refuse(self, why: str, hint: str) -> None:
        if not self.force:
            raise Refused(why, hint)

    def _as_task(self, planner: Planner, **given: Any) -> Plan:
        """The plan of a task for another module."""
        return planner.plan({**self._defaults(planner), **given}, self.world)

    def _defaults(self, planner: Planner) -> dict[str, Any]:
        """The options of a task that says nothing: under the policy, the limits and the patience of this one."""
        defaults = {name: row.get("default") for name, row in planner.argument_spec().items()}
        ours = {name: value for name, value in self.options.items() if name not in _OPTIONS or name == "limits"}
        return {**defaults, **ours}

    # -- objects of a table, backups -------------------------------------------------------------------------------

    def _object(self, planner: Planner) -> Plan:
        state = "absent" if self.undo["op"] == "delete" else "present"
        plan = self._as_task(planner, **self.undo["data"], state=state)
        if plan.steps:
            self._compare(self.undo.get("left") or {}, plan.before)
        return plan

    def _backup(self, volid: str) -> Plan:
        if is_symbol(volid):
            raise Refused(
                f"How the backup is called was not recorded: the run ended before ({self.recorded['summary']})",
                "backup_info lists the backups; remove the right one with steward.proxmox.backup",
            )
        where = {name: self.undo[name] for name in ("vmid", "node", "storage")}
        if self.undo["op"] == "delete":
            return self._as_task(BACKUP, **where, volid=volid, state="absent")
        plan = self._as_task(BACKUP, **where, volid=volid, **self.undo["data"])
        first_line = {key: str(value).partition("\n")[0] for key, value in self.undo["left"].items() if key == "notes"}
        self._compare({**self.undo["left"], **first_line}, {**self.undo["left"], **first_line, **plan.before})
        return plan

    # -- guests ----------------------------------------------------------------------------------------------------

    def _guest(self, kind: str, vmid: int) -> Plan:
        op, guest = str(self.undo["op"]), find(self.world, kind, vmid, None, None)
        if op == "restore":
            return self._restore(kind, vmid, guest)
        if op == "destroy" and guest is None:
            return Plan(summary=f"{self.target} does not exist any more")
        if guest is None:
            raise Refused(f"{self.target} does not exist any more, so nothing of it can be taken back")
        if op in _STATES:
            return self._as_task(_GUESTS[kind], vmid=vmid, state=_STATES[op])
        return _WAYS[op](self, guest)

    def _update(self, guest: Guest) -> Plan:
        revert = Revert(TABLES[guest.kind], self.undo, guest)
        self._drifted(revert.drifted)
        return self._changed(guest, revert.change)

    def _configure(self, guest: Guest) -> Plan:
        return self._changed(guest, all_of(TABLES[guest.kind], self.undo["config"], guest.config or {}))

    def _move_disk(self, guest: Guest) -> Plan:
        slot, storage, left = str(self.undo["slot"]), str(self.undo["storage"]), str(self.undo["left"])
        now = volume_of(volume_codec(TABLES[guest.kind], slot), (guest.config or {}).get(slot, ""))
        if storage_of(now) == storage:
            return Plan(summary=f"{slot} of {guest.target} is on {storage}")
        if now != left and not is_symbol(left):
            self._drifted([f"{slot} holds '{now}', the run left '{left}'"])
        return self._changed(guest, Change(move={slot: {"storage": storage}}))

    def _changed(self, guest: Guest, change: Change) -> Plan:
        options = {**self._defaults(_GUESTS[guest.kind]), "vmid": guest.vmid}
        return plan_change(TABLES[guest.kind], options, self.world, guest, change)

    def _pool(self, guest: Guest) -> Plan:
        return self._unless_elsewhere(
            "pool", self._as_task(_GUESTS[guest.kind], vmid=guest.vmid, pool=self.undo["pool"])
        )

    def _migrate(self, guest: Guest) -> Plan:
        there = {"node": self.undo["node"], "migrate": self.undo["migrate"]}
        return self._unless_elsewhere("node", self._as_task(_GUESTS[guest.kind], vmid=guest.vmid, **there))

    def _unless_elsewhere(self, what: str, plan: Plan) -> Plan:
        now, left = str(plan.before.get(what) or ""), self.undo["left"]
        if plan.steps and now != left:
            self._drifted([f"its {what} is '{now}', the run left '{left}'"])
        return plan

    def _destroy(self, guest: Guest) -> Plan:
        born = self.undo["born"]
        if not is_same(TABLES[guest.kind], born, guest.config or {}):
            self._refuse(
                f"{guest.target} is not the guest that was made ('{born['name']}'): its name, or its addresses and its"
                " id, are others",
                "Destroy it by a task of its own; or, if it is that guest, set force: true",
            )
        return self._as_task(_GUESTS[guest.kind], vmid=guest.vmid, state="absent", force=True, purge=self.force)

    def _restore(self, kind: str, vmid: int, guest: Guest | None) -> Plan:
        if guest is not None:
            if is_same(TABLES[kind], self.undo["born"], guest.config or {}):
                return Plan(summary=f"{self.target} exists")
            raise Refused(f"{self.target} is another guest by now ('{guest.name}')", "Give that one another id first")
        archive = {"volid": self.undo["archive"], "restore_storage": self.undo["storage"]}
        return self._as_task(
            _GUESTS[kind],
            vmid=vmid,
            node=self.undo["node"],
            pool=self.undo["pool"] or None,
            source={"archive": archive, "keep_identity": True},
        )

    # -- snapshots -------------------------------------------------------------------------------------------------

    def _delete_snapshot(self, guest: Guest) -> Plan:
        return self._snapshot(guest, state="absent")

    def _roll_back(self, guest: Guest) -> Plan:
        return self._snapshot(guest, state="rolled_back", start=bool(self.undo.get("start")))

    def _describe_snapshot(self, guest: Guest) -> Plan:
        name, left = self.undo["snapshot"], self.undo["left"]
        try:
            there = self.world.get(f"{guest.path}/snapshot/{segment(name)}/config")
        except NotFound:
            raise Refused(f"{guest.target} has no snapshot '{name}' any more") from None
        now = str(there.get("description") or "").rstrip("\n")
        if now not in (str(left).rstrip("\n"), self.undo["description"]):
            self._drifted([f"the description of snapshot {name} is '{now}', the run left '{left}'"])
        return self._snapshot(guest, state="present", description=self.undo["description"])

    def _snapshot(self, guest: Guest, **more: Any) -> Plan:
        return self._as_task(SNAPSHOTS, vmid=guest.vmid, snapshot=self.undo["snapshot"], **more)

    def _compare(self, left: Values, now: Values) -> None:
        differ = sorted(key for key in {*left, *now} if left.get(key) != now.get(key))
        self._drifted([f"{key} is {now.get(key)!r}, the run left {left.get(key)!r}" for key in differ])

    def _drifted(self, found: list[str]) -> None:
        if found:
            self._refuse(
                f"{self.target} was changed since the run that is to be taken back: {'; '.join(found)}",
                "Look at it; force: true takes back what the run did all the same",
            )


_WAYS: dict[str, Callable[[_Undoing, Guest], Plan]] = {
    "update": _Undoing._update,
    "configure": _Undoing._configure,
    "move": _Undoing._move_disk,
    "pool": _Undoing._pool,
    "migrate": _Undoing._migrate,
    "destroy": _Undoing._destroy,
    "delsnapshot": _Undoing._delete_snapshot,
    "rollback": _Undoing._roll_back,
    "describe": _Undoing._describe_snapshot,
}

UNDO = Planner(name="undo", options=_OPTIONS, plan=plan_undo)
