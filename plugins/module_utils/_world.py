# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The read-only view that planners get: each GET once, and in check mode the run's planned effects laid over it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ._codec import to_wire
from ._errors import ApiError, NotFound, Unreachable
from ._memory import Memory
from ._plan import Effect, Plan, compute_digest
from ._privileges import Need
from ._reads import dispensable, indispensable, needed_by

#: a list -> the shorter list that is part of it: what is planned for the one is planned for the other
_HOLDS = {"/cluster/resources": "/cluster/resources?type=vm"}


def address(path: str, params: Mapping[str, Any] | None = None) -> str:
    """The name of a read: its path and its parameters in order."""
    query = "&".join(f"{key}={value}" for key, value in sorted(to_wire(params or {}).items()))
    return f"{path}?{query}" if query else path


class World:
    """Reads, and nothing else. In check mode, what the run has planned so far is laid over the live reads."""

    def __init__(
        self, read: Callable[..., Any], memory: Memory, check: bool, identity: str = "", is_root: bool = False
    ) -> None:
        self._read, self._memory, self._check = read, memory, check
        self._seen: dict[str, Any] = {}
        self._relied_on: dict[Need, None] = {}
        self.identity, self.is_root = identity, is_root

    def get(self, path: str, /, **params: Any) -> Any:
        """The data at `path`. Raises NotFound, PermissionDenied and the other errors of the engine."""
        name = address(path, params)
        if indispensable():
            self.relies_on(needed_by(path))
        effects = self._effects(name)
        start = max((i for i, effect in enumerate(effects) if effect.do in ("set", "gone")), default=None)
        if start is not None:
            data: Any = None if effects[start].do == "gone" else copy.deepcopy(effects[start].value)
            exists, effects = effects[start].do == "set", effects[start + 1 :]
        else:
            data, exists = self._live(name, path, params, effects)
        for effect in effects:
            data = apply_effect(data, effect)
            exists = True
        if not exists:
            raise NotFound(f"{path} does not exist (a task before this one removes it)")
        return data

    def find(self, path: str, /, **params: Any) -> Any | None:
        """The data at `path`, or None where the object does not exist. Every other refusal is still raised."""
        try:
            return self.get(path, **params)
        except NotFound:
            return None

    def get_all(self, paths: Iterable[str], at_once: int, **params: Any) -> dict[str, Any]:
        """The data at each of the paths, read `at_once` at a time. What was refused, or is on a node that does not
        answer, stands there as the error that `get` would raise."""

        def data_or_refusal(path: str) -> Any:
            try:
                with dispensable():
                    return self.get(path, **params)
            except ApiError as error:
                return error
            except Unreachable as error:
                if "status" not in error.facts:  # no node answered at all
                    raise
                return error

        wanted = list(dict.fromkeys(paths))
        with ThreadPoolExecutor(max_workers=at_once) as threads:
            return dict(zip(wanted, threads.map(data_or_refusal, wanted), strict=True))

    def relies_on(self, need: Need | None) -> None:
        """The planner needs this to know what it must know."""
        if need:
            self._relied_on.setdefault(need)

    @property
    def relied_on(self) -> list[Need]:
        """What the credential could not have planned without."""
        return list(self._relied_on)

    def foretold(self, path: str, /, **params: Any) -> bool:
        """Would what this --check run has planned so far change what is read there?"""
        return bool(self._effects(address(path, params)))

    def made_here(self, target: str) -> bool:
        """Did this run make or change the object?"""
        return target in self._memory.bound

    def count_made(self, prefix: str) -> int:
        """How many objects of this run have a name that begins with `prefix`."""
        return sum(name.startswith(prefix) for name in self._memory.made)

    def digest(self, plan: Plan) -> str:
        """The digest of a plan, as this run computes it."""
        return compute_digest(plan, self._memory.bound, self._memory.symbols)

    def permissions(self) -> Mapping[str, Any] | None:
        """The credential's effective permissions, read once per run; None where they cannot be known."""
        return None if self._check and self._memory.permissions_foretold else self.permissions_now()

    def permissions_now(self) -> Mapping[str, Any] | None:
        """Those by which the server shortens what is read now, whatever a --check run has planned to change of them."""
        if self.is_root:
            return None
        known = self._memory.permissions.get(self.identity)
        if known is None:
            known = self._read("/access/permissions") or {}
            self._memory.add({"permissions": {self.identity: known}})
        return known

    def _effects(self, name: str) -> list[Effect]:
        return self._memory.effects.get(_HOLDS.get(name, name), []) if self._check else []

    def _live(self, name: str, path: str, params: Mapping[str, Any], effects: list[Effect]) -> tuple[Any, bool]:
        if name not in self._seen:
            try:
                self._seen[name] = self._read(path, **params)
            except NotFound:
                if not effects:
                    raise
                self._seen[name] = None
        data = copy.deepcopy(self._seen[name]) if effects else self._seen[name]
        return data, True


def apply_effect(data: Any, effect: Effect) -> Any:
    """`data` as it reads once the effect has happened."""
    if effect.do == "merge":
        merged = {**(data or {}), **effect.value}
        return {key: value for key, value in merged.items() if value is not None}
    if effect.do == "add":
        return [*(data or []), copy.deepcopy(effect.value)]
    if effect.do == "drop":
        return [item for item in data or [] if item.get(effect.by) != effect.value]
    raise ValueError(f"'{effect.do}' is not an effect")
