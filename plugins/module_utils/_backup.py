# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The planner of `backup`: backups of one guest on one storage, made, kept and removed."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from datetime import UTC, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ._errors import BadInput, Refused
from ._guest.archive import backup_name, backups, content_path, print_config, require_sight
from ._guest.capacity import tell_room
from ._guest.draft import Draft
from ._guest.lookup import Guest, require, without_digest
from ._guest.power import read_state
from ._guest.way_back import tell_what_stays
from ._names import STORAGE, SYMBOL, VOLID, check_text, segment
from ._plan import Effect, Plan, Step, after_apply, is_symbol
from ._planner import Planner
from ._privileges import Need
from ._prune import RULES, kept, parse_age
from ._storage import require_storage
from ._world import World

_OPTIONS: dict[str, dict[str, Any]] = {
    "vmid": {"type": "int", "required": True},
    "node": {"type": "str"},
    "storage": {"type": "str", "required": True},
    "state": {"type": "str", "default": "present", "choices": ["present", "absent", "pruned"]},
    "name": {"type": "str"},
    "notes": {"type": "str"},
    "max_age": {"type": "str"},
    "volid": {"type": "str"},
    "mode": {"type": "str", "default": "snapshot", "choices": ["snapshot", "suspend", "stop"]},
    "compress": {"type": "str", "default": "zstd", "choices": ["zstd", "gzip", "lzo", "none"]},
    "protected": {"type": "bool"},
    "keep": {"type": "dict", "options": {rule: {"type": "int"} for rule in RULES}},
}

_COMPRESS = {"none": "0"}


def plan_backup(options: Mapping[str, Any], world: World) -> Plan:
    """The steps to the wanted backups."""
    STORAGE.check("storage", options["storage"])
    check_text("name", options.get("name") or "")
    check_text("notes", options.get("notes") or "", one_line=False)
    for option in ("name", "notes"):
        if "{{" in (options.get(option) or ""):
            raise BadInput(f"{option}: vzdump would replace what stands after '{{{{' by a value of its own")
    if options.get("volid"):
        VOLID.check("volid", options["volid"])
    work = _Backups(options, world)
    return {"present": work.present, "absent": work.absent, "pruned": work.prune}[options["state"]]()


class _Backups:
    """The backups of one guest on one storage, and a plan about them."""

    def __init__(self, options: Mapping[str, Any], world: World) -> None:
        self.options, self.world = options, world
        self.vmid, self.storage = int(options["vmid"]), str(options["storage"])
        self.guest = self._guest()
        require_storage(world, self.guest.node, self.storage, "backup", "storage")
        self.path = content_path(self.guest.node, self.storage)
        self.list_name = f"{self.path}?content=backup"
        self.rows = backups(world, self.guest.node, self.storage, self.vmid)
        self.draft = Draft(self.guest)
        self.draft.plan.result = {"vmid": self.vmid, "node": self.guest.node}
        self.draft.consulted(
            f"backups of {self.vmid} on {self.storage}",
            {row["volid"]: {"name": backup_name(row), "protected": bool(row.get("protected"))} for row in self.rows},
        )

    def _guest(self) -> Guest:
        """The guest; its backups may be removed when it is gone, on a node that the task names."""
        if self.options["state"] != "present" and self.options.get("node"):
            return Guest("lxc", self.vmid, self.options["node"], {})
        return require(self.world, None, self.vmid, None, self.options.get("node"))

    # -- present -------------------------------------------------------------------------------------------------

    def present(self) -> Plan:
        found = self._wanted()
        if found is None:
            self._make()
            return self._done()
        self.draft.plan.result.update(volid=found["volid"], backup=found)
        self._describe(found)
        return self._done()

    def _wanted(self) -> dict[str, Any] | None:
        """The newest backup that already is what the task wants; without name and max_age there is never one."""
        name, age, volid = (self.options.get(word) for word in ("name", "max_age", "volid"))
        if volid:
            return self._named(volid)
        if not name and not age:
            return None
        rows = [row for row in self.rows if not name or backup_name(row) == name]
        if age:
            oldest = time.time() - parse_age("max_age", age).total_seconds()
            rows = [row for row in rows if row.get("ctime") is None or float(row["ctime"]) >= oldest]
        return rows[-1] if rows else None

    def _named(self, volid: str) -> dict[str, Any]:
        """The backup that a task names; it is described, and never made."""
        row = next((row for row in self.rows if row["volid"] == volid), None)
        if row is None:
            self._require_sight()
            raise BadInput(f"volid: there is no backup '{volid}' of guest {self.vmid}", "backup_info lists them")
        return row

    def _make(self) -> None:
        options, draft, guest = self.options, self.draft, self.guest
        draft.plan.state = power = read_state(self.world, guest)
        # begins as every volume id does, so that what a task registers can be given to a later one
        earlier = self.world.count_made(f"backup/{self.storage}:{SYMBOL}backup of {guest.target} ")
        symbol = after_apply(f"backup of {guest.target} {earlier + 1}")
        volid = f"{self.storage}:{symbol}"
        data: dict[str, Any] = {"vmid": self.vmid, "storage": self.storage, "mode": options["mode"], "remove": 0}
        data["compress"] = _COMPRESS.get(options["compress"], options["compress"])
        notes = self._notes()
        if notes:
            # the template language of vzdump: one line, with \n for a line break
            data["notes-template"] = notes.replace("\\", "\\\\").replace("\n", "\\n")
        if options.get("protected"):
            data["protected"] = 1
        before = {row["volid"] for row in self.rows}
        list_path, vmid = self.path, self.vmid

        def learn(reader: Any, _answer: Any) -> str:
            newest = _newest(reader, list_path, vmid, before)
            return str(newest["volid"]).partition(":")[2] if newest else symbol

        needs = (
            Need(f"/vms/{self.vmid}", ("VM.Backup",)),
            Need(f"/storage/{self.storage}", ("Datastore.AllocateSpace",)),
        )
        draft.step(
            Step(
                "backup",
                guest.target,
                "POST",
                f"/nodes/{guest.node}/vzdump",
                data,
                why=self._why(),
                needs=needs,
                yields={symbol: learn},
            )
        )
        draft.shows("backup", None, volid)
        draft.plan.makes.append(f"backup/{volid}")
        row = {
            "volid": volid,
            "content": "backup",
            "vmid": self.vmid,
            "subtype": guest.kind,
            # as the storage lists it: the first line of the notes, and no word of what is not set
            **({"notes": notes.partition("\n")[0]} if notes else {}),
            **({"protected": 1} if options.get("protected") else {}),
        }
        draft.plan.effects += [
            Effect(self.list_name, "add", row),
            Effect(
                f"/nodes/{guest.node}/vzdump/extractconfig?volume={volid}",
                "set",
                print_config(without_digest(guest.config)),
            ),
        ]
        draft.plan.blast.storages.add(self.storage)
        draft.blast(*self._disturbance(power["power"] == "running"))
        last = int(self.rows[-1].get("size") or 0) if self.rows else 0
        tell_room(self.world, draft.plan.blast, guest.node, {self.storage: last}, guest.target, "about")
        where: dict[str, Any] = {"vmid": self.vmid, "node": guest.node, "storage": self.storage}
        draft.undo("delete", target=f"backup/{volid}", **where)
        if options.get("protected"):  # what is protected is not removed
            where |= {"data": {"protected": False}, "left": {"protected": True}}
            draft.undo("update", target=f"backup/{volid}", **where)
        draft.plan.result.update(volid=volid, backup=row)
        draft.plan.finish = lambda reader: self._made(reader, before)

    def _made(self, reader: Any, before: set[str]) -> dict[str, Any]:
        newest = _newest(reader, self.path, self.vmid, before)
        return {"volid": newest["volid"], "backup": newest} if newest else {}

    def _why(self) -> str:
        if self.options.get("name"):
            return f"no backup is called '{self.options['name']}'"
        return (
            f"no backup is younger than {self.options['max_age']}"
            if self.options.get("max_age")
            else "asked for without name or max_age: it runs every time"
        )

    def _disturbance(self, running: bool) -> tuple[str, str]:
        mode, guest = self.options["mode"], self.guest
        if not running:
            return "low", f"backs up {guest.target}, which is stopped"
        if mode == "stop":
            return "high", f"{guest.target} is running and will be stopped for the backup"
        if mode == "suspend":
            return "medium", f"{guest.target} is running and will be suspended for part of the backup"
        if guest.kind == "lxc":
            self.draft.plan.warnings.append(
                f"{guest.target} runs: a snapshot-mode backup of a container is crash-consistent only; databases may"
                " need mode: stop"
            )
        return "low", f"backs up {guest.target} while it runs"

    def _notes(self) -> str:
        return "\n".join(part for part in (self.options.get("name"), self.options.get("notes")) if part)

    def _describe(self, found: Mapping[str, Any]) -> None:
        """Notes and protection of a backup that is there already."""
        changes: dict[str, Any] = {}
        if self.options.get("protected") is not None and bool(found.get("protected")) != self.options["protected"]:
            changes["protected"] = self.options["protected"]
        if self.options.get("notes") is not None and str(found.get("notes") or "") not in (
            self._notes(),
            self._notes().partition("\n")[0],
        ):
            changes["notes"] = self._notes()
        if not changes:
            return
        path = f"{self.path}/{_volume(found['volid'])}"
        needs = self._owning()
        self.draft.step(
            Step(
                "update",
                f"backup/{found['volid']}",
                "PUT",
                path,
                {key: int(value) if isinstance(value, bool) else value for key, value in changes.items()},
                why="it differs",
                needs=needs,
            )
        )
        for key, value in changes.items():
            self.draft.shows(key, found.get(key) or (False if key == "protected" else ""), value)
        self.draft.plan.effects += [
            Effect(self.list_name, "drop", found["volid"], by="volid"),
            Effect(self.list_name, "add", {**found, **changes}),
        ]
        self.draft.undo(
            "update",
            target=f"backup/{found['volid']}",
            vmid=self.vmid,
            node=self.guest.node,
            storage=self.storage,
            data={key: self._was(found, key) for key in changes},
            left=changes,
        )
        self.draft.blast(
            "low" if changes.get("protected", True) else "medium", f"changes {', '.join(changes)} of a backup"
        )

    def _was(self, found: Mapping[str, Any], key: str) -> Any:
        """What is there before a change; the list has only the first line of notes."""
        if key == "protected":
            return bool(found.get("protected"))
        return str(self.world.get(f"{self.path}/{_volume(found['volid'])}").get("notes") or "")

    # -- absent, pruned ------------------------------------------------------------------------------------------

    def absent(self) -> Plan:
        self._require_sight()
        volid, name = self.options.get("volid"), self.options.get("name")
        doomed = [row for row in self.rows if (row["volid"] == volid if volid else backup_name(row) == name)]
        for row in doomed:
            self._remove(row, "state is absent")
        tell_what_stays(self.world, self.draft, self.rows, doomed)
        return self._done()

    def prune(self) -> Plan:
        """What the keep rules do not keep. Protected backups are neither removed nor counted."""
        keep = {rule: count for rule, count in (self.options.get("keep") or {}).items() if count is not None}
        if not any(keep.values()):
            raise BadInput("keep: at least one rule must keep at least one backup")
        self._require_sight()
        rows = [
            row
            for row in self.rows
            if not row.get("protected") and (not self.options.get("name") or backup_name(row) == self.options["name"])
        ]
        zone = self._zone() if keep.keys() - {"last"} else UTC
        stay = kept(_made(rows), keep, zone)
        doomed = [row for index, row in enumerate(rows) if index not in stay]
        for row in doomed:
            self._remove(row, f"not kept by {', '.join(f'{rule}={count}' for rule, count in keep.items())}")
        tell_what_stays(self.world, self.draft, self.rows, doomed)
        return self._done()

    def _require_sight(self) -> None:
        if not self.rows:
            require_sight(self.world, self.storage, self.vmid)

    def _zone(self) -> tzinfo:
        """Proxmox counts days and weeks in the node's own time."""
        try:
            return ZoneInfo(str(self.world.get(f"/nodes/{self.guest.node}/time").get("timezone") or "UTC"))
        except (ZoneInfoNotFoundError, ValueError):
            return UTC

    def _remove(self, row: Mapping[str, Any], why: str) -> None:
        volid = str(row["volid"])
        if row.get("protected"):
            raise Refused(f"{volid} is protected", "Set protected: false first")
        needs = self._owning()
        self.draft.step(
            Step("delete", f"backup/{volid}", "DELETE", f"{self.path}/{_volume(volid)}", why=why, needs=needs)
        )
        self.draft.shows(volid, backup_name(row) or "exists", None)
        self.draft.plan.effects.append(Effect(self.list_name, "drop", volid, by="volid"))
        self.draft.plan.blast.others.add(f"backup {volid}")
        self.draft.plan.blast.storages.add(self.storage)
        self.draft.blast("high", f"destroys backup {volid}")
        self.draft.cannot_undo("a deleted backup does not come back")

    def _owning(self) -> tuple[Need, ...]:
        """Changing or removing a backup (pve-storage: check_volume_access); Datastore.Allocate stands for both."""
        vms, storage = f"/vms/{self.vmid}", f"/storage/{self.storage}"
        return (
            Need(storage, ("Datastore.AllocateSpace", "Datastore.Allocate")),
            Need(vms, ("VM.Backup", "Datastore.Allocate"), or_path=storage),
        )

    def _done(self) -> Plan:
        return self.draft.done()


def _newest(reader: Any, path: str, vmid: int, before: set[str]) -> dict[str, Any] | None:
    """The backup that was not there before; vzdump does not return its name."""
    rows = [row for row in reader.get(path, content="backup") if int(row.get("vmid") or 0) == vmid]
    return max((row for row in rows if row["volid"] not in before), key=lambda row: row.get("ctime") or 0, default=None)


def _made(rows: Iterable[Mapping[str, Any]]) -> list[float]:
    """When backups were made, of rows that have the oldest first. One that is only planned will be the newest of all,
    and never of the same second as another one."""
    times: list[float] = []
    for row in rows:
        made, next_second = row.get("ctime"), times[-1] + 1 if times else 0.0
        times.append(max(time.time(), next_second) if made is None else float(made))
    return times


def _volume(volid: str) -> str:
    """A volume id in a path: the slash inside it stays."""
    return volid if is_symbol(volid) else "/".join(segment(part) for part in volid.split("/"))


BACKUP = Planner(
    name="backup",
    options=_OPTIONS,
    plan=plan_backup,
    rules={
        "required_if": [["state", "absent", ["volid", "name"], True], ["state", "pruned", ["keep"]]],
    },
)
