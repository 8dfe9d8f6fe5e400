# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The planner of `lxc` and `vm`: a guest as a task wants it, from birth to power state, as one Plan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._errors import Refused
from .._plan import Plan
from .._storage import require_storage
from .._world import World
from . import cloud_init, config
from .before import with_undo_point
from .birth import give_birth
from .change import Change
from .configure import Configuring
from .dependents import volumes
from .destroy import plan_absent
from .draft import Draft
from .limits import check_limits
from .lookup import Guest, config_now, find, without_digest
from .migrate import plan_migration
from .node_state import tell
from .options import Table
from .pool import plan_pool
from .power import gone_on, plan_power, read_state
from .template import plan_template
from .uses import tell_users
from .versions import refuse_newer
from .wait_for import plan_wait

#: states in which the guest does not run, so that changes wait for nothing
_AT_REST = ("stopped", "shutdown", "template")
#: what makes a guest take over what waits; a machine that only goes on, or is reset, does not
_STARTS = ("start", "reboot")


def plan_guest(table: Table, options: Mapping[str, Any], world: World) -> Plan:
    """The steps from what is there to what the task wants; none when it is there already."""
    config.check(table, options)
    guest = find(
        world, table.kind, options.get("vmid"), options.get("name"), options.get("node"), moves=_may_move(options)
    )
    return with_undo_point(options, world, guest, _plan(table, options, world, guest))


def _plan(table: Table, options: Mapping[str, Any], world: World, guest: Guest | None) -> Plan:
    if options["state"] == "absent":
        return plan_absent(table, options, world, guest)
    refuse_newer(table, options, world)
    if guest is None or _overwrites(options):
        return give_birth(table, options, world, guest)
    return _Converging(table, options, world, guest).plan()


def plan_change(table: Table, options: Mapping[str, Any], world: World, guest: Guest, change: Change) -> Plan:
    """The steps of a change that is known already, to a guest that exists."""
    return with_undo_point(options, world, guest, _Converging(table, options, world, guest, change).plan())


def _may_move(options: Mapping[str, Any]) -> bool:
    return options.get("migrate") is not None


def _overwrites(options: Mapping[str, Any]) -> bool:
    """Restoring over a guest is only ever done when it is said."""
    return bool(options["force"] and (options.get("source") or {}).get("archive"))


class _Converging:
    """An existing guest on its way to what the task wants."""

    def __init__(
        self, table: Table, options: Mapping[str, Any], world: World, guest: Guest, change: Change | None = None
    ) -> None:
        if options.get("vmid") is None:
            options = {**options, "name": None}  # the name only says which guest is meant
        self.table, self.options, self.world = table, options, world
        self.have = dict(guest.config or {})
        self.draft = Draft(guest)
        self.change = config.difference(table, options, self.have) if change is None else change
        self.power: dict[str, Any] = {}

    def plan(self) -> Plan:
        if self._nothing_asked():
            return self._done(self.have)
        draft, state = self.draft, self.options["state"]
        self.power = draft.plan.state = read_state(self.world, draft.guest)
        self._refuse_impossible()
        self._move()
        plan_pool(draft, self.world, self.options)
        if state in _AT_REST:  # first, so that no change has to wait
            now = self._power({})
            after, waits = self._configure(now)
        else:
            after, waits = self._configure(self.power["power"])
            now, after, waits = self._take_over(after, waits)
        if state == "template" and not self.have.get("template"):
            tell_users(self.world, draft.plan.blast, draft.guest, volumes(self.table, after), "gets another name")
            after = {**after, **plan_template(draft, self.table, after)}
        draft.plan.state["pending"] = sorted(waits)
        plan_wait(draft, self.world, self.options, now, after, waits)
        tell(draft, self.world)
        return self._done(after)

    def _configure(self, now: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """The configuration that the changes leave, and what of it waits for a restart."""
        draft, running = self.draft, _runs(now)
        waits = {**draft.guest.pending, **config.waiting(self.table, self.change, self.have)} if running else {}
        after = Configuring(draft, self.table, self.world, self.change, self.have, running, waits).plan()
        if self.change:
            check_limits(self.options, self.world, draft, self.table, after, self.have)
            if self.options.get("cloud_init"):
                draft.plan.warnings += cloud_init.unread(draft.guest.target, after)
        return after, waits

    def _take_over(self, after: dict[str, Any], waits: dict[str, Any]) -> tuple[str, dict[str, Any], dict[str, Any]]:
        """The power that is wanted; a guest that starts takes over what waited."""
        steps = len(self.draft.plan.steps)
        now = self._power({key: after.get(key) for key in waits})
        started = any(step.op in _STARTS for step in self.draft.plan.steps[steps:])
        if started and self.power["power"] == "hibernated":
            after = gone_on(after)
        return now, after, {} if started else waits

    def _nothing_asked(self) -> bool:
        """With state present and a configuration that is as wanted, nothing more has to be read."""
        asks = ("pool", "wait_for", "reboot_if_pending")
        moved = self.options.get("node") not in (None, self.draft.guest.node)
        return (
            self.options["state"] == "present"
            and not self.change
            and not moved
            and all(self.options.get(name) in (None, False) for name in asks)
        )

    def _refuse_impossible(self) -> None:
        guest, storage = self.draft.guest, self.options.get("state_storage")
        if self.change and self.power["power"] == "hibernated":
            raise Refused(
                f"{guest.target} is hibernated, and Proxmox changes nothing of a guest whose memory is saved",
                "Start it first (state: started)",
            )
        if storage:
            require_storage(self.world, guest.node, storage, self.table.content, "state_storage")

    def _move(self) -> None:
        node, guest = self.options.get("node"), self.draft.guest
        if node and node != guest.node:
            moved = plan_migration(self.draft, self.world, guest, node, self.options, self.power)
            self.have = dict(moved.config or {})
            self.change = config.difference(self.table, self.options, self.have)

    def _power(self, waits: Mapping[str, Any]) -> str:
        return plan_power(self.draft, self.options["state"], self.power, self.options, waits)

    def _done(self, after: Mapping[str, Any]) -> Plan:
        draft, guest, plan = self.draft, self.draft.guest, self.draft.plan
        draft.consulted(
            guest.target,
            {
                **{key: self.have.get(key) for key in self.change.touched()},
                "node": guest.node,
                "power": self.power.get("power"),
                "template": self.have.get("template", 0),
            },
        )
        config_after = {key: value for key, value in without_digest(after).items() if value is not None}
        waits = (plan.state or {}).get("pending", sorted(guest.pending))
        plan.result |= {"vmid": guest.vmid, "node": guest.node, "config": config_after, "pending": waits}
        plan.finish = config_now(guest.path)
        return draft.done()


def _runs(power: str) -> bool:
    return power in ("running", "paused")
