# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The planner of `snapshot`: snapshots of containers and virtual machines."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any

from ._errors import BadInput, Refused
from ._guest import effects
from ._guest.before import SPEC as SNAPSHOT_BEFORE
from ._guest.before import with_undo_point
from ._guest.dependents import moment, replication_jobs
from ._guest.draft import Draft
from ._guest.limits import check_limits
from ._guest.lookup import Guest, require
from ._guest.power import read_state
from ._guest.snapshots import held_volumes, refuse_unable, saved_config, take
from ._guest.tables import TABLES
from ._guest.uses import tell_volumes_back
from ._guest.volumes import storage_of
from ._names import SNAPSHOT, check_text, segment
from ._plan import Effect, Plan, Step
from ._planner import Planner
from ._privileges import Need
from ._prune import parse_age
from ._world import World

_OPTIONS: dict[str, dict[str, Any]] = {
    "vmid": {"type": "int"},
    "name": {"type": "str"},
    "node": {"type": "str"},
    "snapshot": {"type": "str"},
    "state": {"type": "str", "default": "present", "choices": ["present", "absent", "rolled_back", "pruned"]},
    "description": {"type": "str"},
    "vmstate": {"type": "bool", "default": False},
    "start": {"type": "bool", "default": False},
    "keep": {"type": "int"},
    "older_than": {"type": "str"},
    "prefix": {"type": "str", "default": ""},
    "snapshot_before": SNAPSHOT_BEFORE,
}

#: keys of a snapshot's configuration that are about the snapshot
_OF_SNAPSHOT = frozenset(
    {
        *("description", "digest", "parent", "snapstate", "snaptime", "vmstate"),
        *("runningmachine", "runningcpu", "running-nets-host-mtu"),
    }
)


def plan_snapshot(options: Mapping[str, Any], world: World) -> Plan:
    """The steps to the wanted snapshots of one guest."""
    if options.get("snapshot"):
        SNAPSHOT.check("snapshot", options["snapshot"])
        if options["snapshot"] == "current":
            raise BadInput("snapshot: 'current' is a reserved name")
    check_text("description", options.get("description") or "", one_line=False)
    guest = require(world, None, options.get("vmid"), options.get("name"), options.get("node"))
    work = _Snapshots(options, world, guest)
    return {"present": work.present, "absent": work.absent, "rolled_back": work.roll_back, "pruned": work.prune}[
        options["state"]
    ]()


class _Snapshots:
    """The snapshots of one guest, and a plan about them."""

    def __init__(self, options: Mapping[str, Any], world: World, guest: Guest) -> None:
        self.options, self.world, self.guest = options, world, guest
        self.path = f"{guest.path}/snapshot"
        #: as the list will read, with the row that stands for the present state
        self.planned = [dict(row) for row in world.get(self.path)]
        self.rows = [dict(row) for row in self.planned if row["name"] != "current"]
        self.name = options.get("snapshot") or ""
        self.found = next((row for row in self.rows if row["name"] == self.name), None)
        self.draft = Draft(guest)
        self.draft.plan.result = {"vmid": guest.vmid, "node": guest.node, "snapshots": self.rows}
        self.draft.consulted(f"snapshots of {guest.target}", {"names": sorted(row["name"] for row in self.rows)})

    def present(self) -> Plan:
        if self.found:
            self._describe()
            return self._done()
        refuse_unable(self.world, self.guest)
        said = self.options.get("description")
        data = {"snapname": self.name, **({"description": said} if said is not None else {})}
        if self.options["vmstate"]:
            if self.guest.kind == "lxc":
                raise BadInput("vmstate: a container has no RAM to save")
            data["vmstate"] = 1
        self.draft.step(take(self.guest, data, "it does not exist"))
        self.draft.shows(f"snapshot {self.name}", None, said or "")
        above = {"parent": self._current["parent"]} if "parent" in self._current else {}
        row = {"name": self.name, "description": said or "", **above}
        self.planned.insert(len(self.planned) - 1, row)
        self._current["parent"] = self.name
        kept = saved_config(self.guest, said or "")
        self.draft.plan.effects.append(Effect(f"{self.path}/{self.name}/config", "set", kept))
        self.draft.undo("delsnapshot", snapshot=self.name)
        self.draft.blast("low", f"takes a snapshot of {self.guest.target}")
        return self._done()

    def absent(self) -> Plan:
        if self.found:
            self._delete(self.name, "state is absent")
        return self._done()

    def prune(self) -> Plan:
        """Those beyond the newest `keep`, and those older than `older_than`; with both, only what both would remove."""
        rows = [row for row in self.rows if row["name"].startswith(self.options["prefix"])]
        newest_first = sorted(rows, key=self._age, reverse=True)
        doomed = {row["name"] for row in newest_first}
        if self.options.get("keep") is not None:
            doomed &= {row["name"] for row in newest_first[max(0, self.options["keep"]) :]}
        if self.options.get("older_than"):
            limit = time.time() - parse_age("older_than", self.options["older_than"]).total_seconds()
            doomed &= {row["name"] for row in newest_first if _taken(row) < limit}
        for row in reversed(newest_first):  # the oldest first
            if row["name"] in doomed:
                self._delete(row["name"], "older than what is kept")
        return self._done()

    def _age(self, row: Mapping[str, Any]) -> tuple[float, int, str]:
        """Sorts the oldest first; of the same second, the one that others descend from. The list has no order."""
        parents = {one["name"]: one.get("parent") for one in self.rows}
        depth, name = 0, row.get("parent")
        while name in parents and depth <= len(parents):
            depth, name = depth + 1, parents[name]
        return _taken(row), depth, str(row["name"])

    def roll_back(self) -> Plan:
        if not self.found:
            names = ", ".join(sorted(row["name"] for row in self.rows)) or "none"
            raise BadInput(f"{self.guest.target} has no snapshot '{self.name}'; it has: {names}")
        draft, power = self.draft, read_state(self.world, self.guest)
        draft.plan.state = power
        if power["power"] == "hibernated":
            raise Refused(
                f"{self.guest.target} is hibernated, and Proxmox rolls nothing back under that lock",
                "Start it first (state: started)",
            )
        data = {"start": 1} if self.options["start"] else {}
        self._step(
            "rollback",
            "POST",
            f"{self.path}/{segment(self.name)}/rollback",
            data,
            "rolled_back is a verb: it runs every time",
            "VM.Snapshot.Rollback",
            "VM.Snapshot",
        )
        draft.shows("state", "as it is now", f"as in snapshot {self.name}")
        guest, restored = self.guest, self._restored()
        check_limits(self.options, self.world, draft, TABLES[guest.kind], restored, guest.config or {})
        runs = bool(self.options["start"] or self.found.get("vmstate"))
        self._tell_what_is_lost(self.found, restored, power["power"], runs)
        self._current["parent"] = self.name
        draft.plan.effects += [
            *effects.config_is(guest.kind, guest.node, guest.vmid, restored),
            *effects.powered(guest.kind, guest.node, guest.vmid, "running" if runs else "stopped"),
        ]
        draft.cannot_undo("the state before the rollback is not kept; snapshot_before, or a backup, keeps it")
        return with_undo_point(self.options, self.world, self.guest, self._done(), back_to=self.name)

    def _tell_what_is_lost(self, found: Mapping[str, Any], restored: Mapping[str, Any], power: str, runs: bool) -> None:
        """What a rollback takes away, and what it does to a guest that runs."""
        target, blast = self.guest.target, self.draft.plan.blast
        taken = f" of {moment(found['snaptime'])}" if found.get("snaptime") else ""
        blast.because("high", f"everything written since snapshot {self.name}{taken} is lost")
        changed = _changed(self.guest.config or {}, restored)
        if changed:
            blast.because("medium", f"the configuration goes back as well: {', '.join(changed)}")
        later = self._later()
        blast.others.update(f"snapshot {target}@{name}" for name in later)
        if later:
            blast.because("high", f"later snapshots may be in the way or lost: {', '.join(later)}")
        jobs = replication_jobs(self.world, self.guest, blast)
        if jobs:
            blast.because(
                "high", f"what {', '.join(jobs)} has replicated is dropped where it is newer than the snapshot"
            )
        if power != "stopped":
            blast.because("high", f"{target} is {power} and will be stopped" + ("" if runs else ", and stays so"))
        if found.get("vmstate"):
            blast.because("high", f"{target} runs afterwards, with its memory as it was in snapshot {self.name}")
        tell_volumes_back(self.world, blast, self.guest, restored)

    @property
    def _current(self) -> dict[str, Any]:
        """The row of the list that stands for the present state."""
        return next((row for row in self.planned if row["name"] == "current"), {})

    def _forget(self, name: str) -> None:
        """Its children become those of its parent."""
        gone = next(row for row in self.planned if row["name"] == name)
        self.planned.remove(gone)
        for row in self.planned:
            if row.get("parent") == name:
                row.pop("parent")
                row.update({"parent": gone["parent"]} if "parent" in gone else {})

    def _restored(self) -> dict[str, Any]:
        """The configuration after a rollback: the snapshot's. The notes and the unused volumes stay those of today, and
        a volume that came later is unused then."""
        saved = self.world.get(f"{self.path}/{segment(self.name)}/config")
        config = {key: value for key, value in saved.items() if key not in _OF_SNAPSHOT}
        today, kind = self.guest.config or {}, self.guest.kind
        there = set(held_volumes(kind, config).values())
        stays = {key: value for key, value in today.items() if key == "description" or key.startswith("unused")}
        left = {**config, **{key: value for key, value in stays.items() if value not in there}}
        free = (key for key in map("unused{}".format, range(256)) if key not in today)
        for volume in held_volumes(kind, today).values():
            if storage_of(volume) and volume not in there:
                left[next(free)] = volume
        return left

    def _describe(self) -> None:
        wanted, there = self.options.get("description"), str((self.found or {}).get("description") or "").rstrip("\n")
        if wanted is None or wanted.rstrip("\n") == there:
            return
        self._step(
            "describe",
            "PUT",
            f"{self.path}/{segment(self.name)}/config",
            {"description": wanted},
            "its description differs",
            "VM.Snapshot",
        )
        self.draft.shows("description", there, wanted)
        self.planned = [row | {"description": wanted} if row["name"] == self.name else row for row in self.planned]
        self.draft.undo("describe", snapshot=self.name, description=there, left=wanted)
        self.draft.blast("low", "changes a description")

    def _delete(self, name: str, why: str) -> None:
        self._step("delsnapshot", "DELETE", f"{self.path}/{segment(name)}", {}, f"{name}: {why}", "VM.Snapshot")
        self.draft.shows(f"snapshot {name}", "exists", None)
        self._forget(name)
        self.draft.plan.blast.others.add(f"snapshot {self.guest.target}@{name}")
        self.draft.blast("medium", f"snapshot {name} cannot be rolled back to any more")
        self.draft.cannot_undo("a deleted snapshot does not come back")

    def _later(self) -> list[str]:
        """The snapshots that descend from the one to roll back to."""
        found, names = [], {self.name}
        for _pass in self.rows:
            more = [row["name"] for row in self.rows if row.get("parent") in names and row["name"] not in names]
            found += more
            names |= set(more)
        return found

    def _step(self, op: str, method: str, path: str, data: Mapping[str, Any], why: str, *privileges: str) -> None:
        data = {key: value for key, value in data.items() if value is not None}
        self.draft.step(
            Step(
                op, self.guest.target, method, path, data, why=why, needs=(Need(f"/vms/{self.guest.vmid}", privileges),)
            )
        )

    def _done(self) -> Plan:
        path, plan = self.path, self.draft.plan
        if plan.steps:
            parent = {"parent": self._current.get("parent")}
            guest = self.guest
            plan.effects += [
                Effect(path, "set", self.planned),
                *effects.configured(guest.kind, guest.node, guest.vmid, parent),
            ]
        plan.result["snapshots"] = [row for row in self.planned if row["name"] != "current"]
        plan.finish = lambda reader: {"snapshots": [row for row in reader.get(path) if row["name"] != "current"]}
        return self.draft.done()


def _taken(row: Mapping[str, Any]) -> float:
    """When a snapshot was taken; one that is only planned is younger than all others, whatever the clocks say."""
    return float(row.get("snaptime") or math.inf)


def _changed(now: Mapping[str, Any], then: Mapping[str, Any]) -> list[str]:
    """The keys that a rollback sets back; its notes and what the server keeps for itself are not among them."""
    keys = {key for key in {*now, *then} - _OF_SNAPSHOT if now.get(key) != then.get(key)}
    return sorted(keys - {"lock", "meta"})


SNAPSHOTS = Planner(
    name="snapshot",
    options=_OPTIONS,
    plan=plan_snapshot,
    rules={
        "required_one_of": [["vmid", "name"]],
        "required_if": [
            ["state", "present", ["snapshot"]],
            ["state", "absent", ["snapshot"]],
            ["state", "rolled_back", ["snapshot"]],
            ["state", "pruned", ["keep", "older_than"], True],
        ],
    },
)
