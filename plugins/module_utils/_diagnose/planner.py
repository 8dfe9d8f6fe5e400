# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The planner of `diagnose_info`: asks everything that the checks want, and makes flags of the answers and the gaps."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from .._errors import StewardError
from .._guest.archive import content_path, sees_backups
from .._info import sight
from .._info.backups import Place, holds_backups, readable
from .._info.bounded import shortened
from .._info.details import AT_ONCE, check_concurrency
from .._names import segment
from .._plan import Plan
from .._planner import Planner
from .._privileges import Need
from .._prune import parse_age
from .._reads import dispensable
from .._world import World
from .cluster import CLUSTER_CHECKS, ClusterCheck, backups, guests
from .flags import (
    CRITICAL,
    UNREAD,
    Flag,
    Limits,
    check_limits,
    counted,
    distinct,
    grants,
    hidden,
    ordered,
    shown,
    unread,
)
from .nodes import NODE_CHECKS, NodeCheck

_GUESTS, _STORAGES = sight.SEES["guests"], sight.SEES["storages"]
CHECKS = (*CLUSTER_CHECKS, "guests", "backups", *NODE_CHECKS)
#: asks for more than reading: whoever wants it says so
_ON_REQUEST = ("updates",)

_OPTIONS: dict[str, dict[str, Any]] = {
    "nodes": {"type": "list", "elements": "str"},
    "checks": {
        "type": "list",
        "elements": "str",
        "choices": list(CHECKS),
        "default": [name for name in CHECKS if name not in _ON_REQUEST],
    },
    "since": {"type": "str", "default": "1d"},
    "full": {"type": "int", "default": 90},
    "full_critical": {"type": "int", "default": 95},
    "memory": {"type": "int", "default": 90},
    "memory_critical": {"type": "int", "default": 97},
    "wear_left": {"type": "int", "default": 10},
    "certificate_days": {"type": "int", "default": 30},
    "certificate_days_critical": {"type": "int", "default": 7},
    "backup_max_age": {"type": "str", "default": "7d"},
    **AT_ONCE,
}

Row = dict[str, Any]


def plan_diagnose_info(options: Mapping[str, Any], world: World) -> Plan:
    """What is wrong, what could not be read, and what both are taken from."""
    diagnosis = _Diagnosis(options, world)
    diagnosis.of_cluster()
    diagnosis.of_guests()
    diagnosis.of_nodes()
    found = distinct(diagnosis.flags)
    lines = grants(found, world.identity)
    rows = ordered(shown(flag, lines) for flag in found)
    flags, cut = shortened(rows)
    evidence, less = shortened(list(diagnosis.evidence.items()))
    result = {
        "flags": flags,
        "counts": counted(rows),
        "grants": list(lines.values()),
        "evidence": dict(evidence),
        "nodes": diagnosis.nodes,
        "truncated": cut or less,
    }
    return Plan(summary="reads how the cluster is", result=result)


class _Diagnosis:
    """One look at a cluster: the flags so far, and their evidence under `cluster` and the names of the nodes."""

    def __init__(self, options: Mapping[str, Any], world: World) -> None:
        check_limits(options)
        self.world, self.at_once = world, check_concurrency(options["concurrency"])
        self.checks, now = list(dict.fromkeys(options["checks"])), time.time()
        self.since = now - parse_age("since", options["since"]).total_seconds()
        numbers = {name: options[name] for name in Limits.__dataclass_fields__ if name in options}
        age = parse_age("backup_max_age", options["backup_max_age"]).total_seconds()
        self.limits = Limits(now, backup_age=age, **numbers)
        self.rows = sight.everything(world)
        known = sorted(row["node"] for row in self.rows if row["type"] == "node")
        for node in options.get("nodes") or ():
            sight.check_node(self.rows, node)
        self.nodes = [node for node in known if node in (options.get("nodes") or known)]
        self.down = set(sight.down(self.rows))
        self.flags: list[Flag] = []
        self.evidence: dict[str, Row] = {"cluster": {}} | {node: {} for node in self.nodes}

    # -- the cluster -----------------------------------------------------------------------------------------------

    def of_cluster(self) -> None:
        wanted = {name: check for name, check in CLUSTER_CHECKS.items() if name in self.checks}
        answers = self._read((check.path, {}, check.none) for check in wanted.values())
        for name, check in wanted.items():
            self._judge(name, "cluster", answers[check.path], check, check.needs, check.judge)
        status = self.evidence["cluster"].get("cluster") or ()
        self.down |= {row["name"] for row in status if row["type"] == "node" and not int(row.get("online") or 0)}
        nodes = [row for row in self.rows if row["type"] == "node"]
        alone = len(nodes) == 1 and not any(row["type"] == "cluster" for row in status)
        self.limits = replace(self.limits, alone=alone)

    def of_guests(self) -> None:
        mine = [row for row in self.rows if row.get("node") in self.nodes]
        asked = {"guests", "backups"} & set(self.checks)
        if asked and sight.hidden(self.world, ["guests"]):
            self.flags += [hidden(name, "guests", _GUESTS, "not all guests can be seen") for name in sorted(asked)]
        if "guests" in self.checks:
            with self._understood("guests", "cluster"):
                self._keep("guests", "cluster", *guests(mine, self.down, self.limits))
        if "backups" in self.checks:
            before = len(self.flags)
            found = self._every_backup()
            complete = len(self.flags) == before
            with self._understood("backups", "cluster"):
                self._keep("backups", "cluster", *backups(mine, found, complete, self.limits))

    def _every_backup(self) -> list[Row]:
        """The backups of the whole cluster, wherever their guests are; what cannot be read of them is flagged."""
        places, silent = readable(self.world, filter(holds_backups, self.rows), self.down)
        self.flags += [
            Flag(UNREAD, "backups", name, "its backups could not be read: it does not answer") for name in silent
        ]
        if sight.hidden(self.world, ["storages"]):
            self.flags.append(hidden("backups", "storages", _STORAGES, "not all storages can be seen"))
        paths = {place: content_path(place.node, place.storage) for place in places}
        answers = self._read((path, {"content": "backup"}, None) for path in paths.values())
        found: list[Row] = []
        for place, path in paths.items():
            answer, where = answers[path], f"{place.storage} on {place.node}"
            if isinstance(answer, StewardError):
                self.flags.append(unread("backups", where, answer, _storage(place)))
                continue
            with self._understood("backups", where):
                found += [row for row in _typed(answer, list) if row["content"] == "backup"]
            if not sees_backups(self.world, place.storage, None):
                self.flags += list(self._unseen(place))
        return found

    def _unseen(self, place: Place) -> Iterator[Flag]:
        """A storage lists the backups of a guest only for who may back the guest up to it."""
        for where, need in ((place.storage, _space(place)), ("guests", Need("/vms/*", ("VM.Backup",)))):
            if not self._sees(need):
                yield hidden("backups", where, need, "not all backups can be seen")

    # -- the nodes -------------------------------------------------------------------------------------------------

    def of_nodes(self) -> None:
        wanted = {name: check for name, check in NODE_CHECKS.items() if name in self.checks}
        up = [node for node in self.nodes if node not in self.down]
        reads = {(name, node): check.path.format(node=segment(node)) for name, check in wanted.items() for node in up}
        answers = self._read(
            (path, wanted[name].params(self.since), wanted[name].none) for (name, _node), path in reads.items()
        )
        for (name, node), path in reads.items():
            self._of_node(name, wanted[name], node, answers[path])
        for node in sorted(self.down):
            self.flags += list(self._silent(node, wanted))

    def _of_node(self, name: str, check: NodeCheck, node: str, answer: Any) -> None:
        if check.sees and not isinstance(answer, StewardError) and not self._sees(_on(check.sees, node)):
            self.flags.append(hidden(name, node, _on(check.sees, node), "not all of it can be seen"))
        if check.always and answer == []:
            self.flags.append(Flag(UNREAD, name, node, "the node lists none, which cannot be all"))
        need = _on(check.needs, node)
        self._judge(name, node, answer, check, need, lambda rows: check.judge(node, rows, self.limits))

    def _silent(self, node: str, wanted: Mapping[str, NodeCheck]) -> Iterator[Flag]:
        """A node that does not answer is one flag for itself, and one for everything that nobody knows of it."""
        lost = sorted(row["id"] for row in self.rows if row.get("node") == node and "vmid" in row)
        if "cluster" in self.checks or node in self.nodes:
            yield Flag(CRITICAL, "cluster", node, "does not answer", {"guests": lost})
        if node in self.nodes and (wanted or lost):
            unknown = [*wanted, *(["guests"] if lost else [])]
            yield Flag(UNREAD, "nodes", node, f"could not be read, as it does not answer: {', '.join(unknown)}", lost)

    # -- reading ---------------------------------------------------------------------------------------------------

    def _read(self, asked: Iterable[tuple[str, Mapping[str, Any], re.Pattern[str] | None]]) -> dict[str, Any]:
        """The answer at each path, or the error; None where the server says that there is no such thing here."""

        def answer(path: str) -> Any:
            params, none = wanted[path]
            try:
                with dispensable():
                    return self.world.get(path, **params)
            except StewardError as error:
                return None if none and none.search(error.message) else error

        wanted = {path: (params, none) for path, params, none in asked}
        with ThreadPoolExecutor(max_workers=self.at_once) as threads:
            return dict(zip(wanted, threads.map(answer, wanted), strict=True))

    def _judge(
        self,
        name: str,
        where: str,
        answer: Any,
        check: NodeCheck | ClusterCheck,
        need: Need,
        judge: Callable[[Any], Any],
    ) -> None:
        if isinstance(answer, StewardError):
            self.flags.append(unread(name, where, answer, need))
        elif answer is not None:
            with self._understood(name, where):
                self._keep(name, where, *judge(_typed(answer, check.expects)))

    @contextmanager
    def _understood(self, name: str, where: str) -> Iterator[None]:
        """An answer that is not what Proxmox is known to answer is nothing that is known."""
        try:
            yield
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            self.flags.append(Flag(UNREAD, name, where, f"its answer is not understood: {error!r}"))

    def _keep(self, name: str, where: str, kept: Any, flags: list[Flag]) -> None:
        self.evidence[where][name] = kept
        self.flags += flags

    def _sees(self, need: Need) -> bool:
        return self.world.is_root or sight.sees(self.world.permissions_now(), need)


def _on(need: Need, node: str) -> Need:
    return Need(need.path.format(node=node), need.any_of)


def _typed(answer: Any, expected: type) -> Any:
    if not isinstance(answer, expected):
        raise TypeError(f"{type(answer).__name__} instead of {expected.__name__}")
    return answer


def _storage(place: Place) -> Need:
    return Need(f"/storage/{place.storage}", _STORAGES.any_of)


def _space(place: Place) -> Need:
    return Need(f"/storage/{place.storage}", ("Datastore.AllocateSpace",))


DIAGNOSE_INFO = Planner("diagnose_info", _OPTIONS, plan_diagnose_info, reads_only=True)
