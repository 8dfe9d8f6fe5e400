# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task would do: Steps, the Plan around them, its public form and its digest. Pure data and pure functions.

The public form of a plan (result key `plan`, ledger, plan callback) never holds a secret; its digest binds the steps
and the objects as they were read, with everything that only exists after apply as a symbol, so that the plan of a
`--check` run and the plan of the real run are the same plan.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ._blast import Blast
from ._names import SYMBOL
from ._privileges import Need

HIDDEN = "********"
#: what a step is, beside how it went
STEP_KEYS = ("op", "target", "method", "path", "data", "why")


def after_apply(what: str) -> str:
    """The symbol of a value that the server will choose; `what` makes it unique within a run."""
    return f"{SYMBOL}{what})"


def is_symbol(text: str) -> bool:
    """Does the text hold a value that is only known after apply?"""
    return SYMBOL in text


@dataclass(frozen=True)
class Step:
    """One write: what is sent, why, what it needs. `guard` (a config digest) is sent but is not the intention."""

    op: str
    target: str
    method: str
    path: str
    data: Mapping[str, Any] = field(default_factory=dict)
    why: str = ""
    needs: tuple[Need, ...] = ()
    guard: Mapping[str, Any] = field(default_factory=dict)
    secrets: frozenset[str] = frozenset()
    #: symbol -> how to learn its value once the step is done: (reader, what the call returned) -> value
    yields: Mapping[str, Callable[[Any, Any], str]] = field(default_factory=dict)
    #: answer -> what the task returns of it, once: a secret, which is in no plan and no ledger
    gives: Callable[[Any], dict[str, Any]] | None = None
    #: where the answer is not the end: reader -> what is still waited for, "" once it holds
    until: Callable[[Any], str] | None = None
    #: seconds that the server itself may take for it, by what the task asked for: task_timeout does not cut them short
    lasts: float = 0

    def public(self) -> dict[str, Any]:
        """The step as people, callbacks and the ledger see it."""
        data = {key: HIDDEN if key in self.secrets else value for key, value in sorted(self.data.items())}
        return {
            "op": self.op,
            "target": self.target,
            "method": self.method,
            "path": self.path,
            "data": data,
            "why": self.why,
        }


@dataclass(frozen=True)
class Effect:
    """What a step does to what a later task would read: in a --check run it is laid over the live reads.

    `do`: set (the document at `at` becomes `value`), gone (it does not exist any more), merge (keys of a document, None
    removes one), add (an item of a list), drop (the items of a list whose `by` equals `value`).
    """

    at: str
    do: str
    value: Any = None
    by: str = ""


@dataclass(frozen=True)
class Undo:
    """How to take a plan back, what was done last first; and why of some of it that cannot be done.

    Each entry says `of`: the places of the plan's steps that it is about. A step holds all that a later run needs.
    """

    steps: tuple[Mapping[str, Any], ...] = ()
    cannot: tuple[Mapping[str, Any], ...] = ()

    @property
    def why(self) -> str:
        return "; ".join(dict.fromkeys(str(one["why"]) for one in self.cannot))

    def public(self) -> dict[str, Any]:
        why = {"why": self.why, "cannot": list(self.cannot)} if self.cannot else {}
        return {"possible": not self.cannot, **why, "steps": list(self.steps)}


@dataclass
class Plan:
    """Everything that one task would do, and everything somebody wants to know before it does."""

    summary: str = "nothing to do"
    steps: list[Step] = field(default_factory=list)
    before: dict[str, Any] = field(default_factory=dict)
    after: dict[str, Any] = field(default_factory=dict)
    #: what the planner consulted: target -> the fields it looked at (configuration, never counters)
    objects: dict[str, dict[str, Any]] = field(default_factory=dict)
    blast: Blast = field(default_factory=Blast)
    state: dict[str, Any] | None = None
    undo: Undo = field(default_factory=Undo)
    effects: list[Effect] = field(default_factory=list)
    #: ids chosen while planning: value -> its symbol
    symbols: dict[str, str] = field(default_factory=dict)
    #: guest -> the digest of its configuration, as it was read
    marks: dict[str, str] = field(default_factory=dict)
    #: objects that come to be under a name that the server chooses, such as backup/<symbol>
    makes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    #: what the module returns beside the plan, as far as it is known before
    result: dict[str, Any] = field(default_factory=dict)
    #: after the steps: reader -> what the module returns now
    finish: Callable[[Any], dict[str, Any]] | None = None
    #: what a real run waits for at its end, also when there was nothing to do: reader -> more of the result
    wait_for: Callable[[Any], dict[str, Any]] | None = None
    # filled by the engine
    digest: str = ""
    binding: dict[str, Any] = field(default_factory=dict)
    privileges: list[dict[str, Any]] = field(default_factory=list)
    reads: list[dict[str, Any]] = field(default_factory=list)
    progress: list[dict[str, Any]] = field(default_factory=list)
    #: symbol -> what it turned out to be
    values: dict[str, str] = field(default_factory=dict)

    @property
    def changed(self) -> bool:
        return bool(self.steps)

    @property
    def targets(self) -> list[str]:
        """The objects that the steps write to, in order, once each."""
        return list(dict.fromkeys(step.target for step in self.steps))

    def public(self) -> dict[str, Any]:
        """The plan as the result key `plan` shows it; a real run adds to each step how it went."""
        steps = [step.public() for step in self.steps]
        for step, went in zip(steps, self.progress, strict=False):
            step.update(went)
        shown: dict[str, Any] = {
            "summary": self.summary,
            "digest": self.digest,
            "steps": steps,
            "blast_radius": self.blast.public(),
            "risk": self.blast.risk(bool(self.steps)),
            "privileges": self.privileges,
            "undo": self.undo.public() if self.steps else {"possible": True, "steps": []},
        }
        if self.reads:
            shown["reads"] = self.reads
        if self.state is not None:
            shown["state"] = self.state
        if self.steps:
            shown["before"], shown["after"] = self.before, self.after
        if self.values:
            shown["values"] = self.values
        return shown

    def diff(self) -> dict[str, Any]:
        """Before and after of what the task manages, as --diff shows it."""
        target = ", ".join(self.targets)
        return {"before": self.before, "after": self.after, "before_header": target, "after_header": target}


def canonical(value: Any) -> bytes:
    """One byte string for one meaning: sorted keys, no blanks."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, default=str).encode()


def sha256(value: Any) -> str:
    return f"sha256:{hashlib.sha256(canonical(value)).hexdigest()}"


def compute_digest(plan: Plan, bound: Mapping[str, str], symbols: Mapping[str, str]) -> str:
    """The digest of a plan, whose `binding` is filled in: what the digest is over, beside the steps.

    `bound`: objects that this run made or changed, with the digest that did it; `symbols`: values that this run
    allocated, with their symbols.
    """
    known = {**symbols, **plan.symbols}
    steps = [step.public() for step in plan.steps]
    objects = {target: bound.get(target) or symbolic(seen, known) for target, seen in plan.objects.items()}
    # a symbol may name an id that has a symbol itself
    text = canonical([steps, objects, list(known.values())]).decode()
    used = {value: symbol for value, symbol in known.items() if json.dumps(value)[1:-1] in text}
    plan.binding = {"objects": objects, "symbols": used}
    return digest_of(steps, plan.binding)


def digest_of(steps: Iterable[Mapping[str, Any]], binding: Mapping[str, Any]) -> str:
    """The digest of a plan in its public form: whoever has its steps and its binding can compute it."""
    bare = [{key: "" if key == "why" else step[key] for key in STEP_KEYS} for step in steps]
    objects = {name: seen if isinstance(seen, str) else sha256(seen) for name, seen in binding["objects"].items()}
    return sha256(symbolic({"steps": bare, "objects": objects}, binding["symbols"]))


_ID_KEYS = frozenset({"vmid", "newid"})


def symbolic(value: Any, symbols: Mapping[str, str], key: str = "") -> Any:
    """`value` with each allocated id replaced by its symbol. A bare number is an id only where ids stand."""
    if isinstance(value, Mapping):
        return {symbolic(name, symbols, "target"): symbolic(item, symbols, name) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [symbolic(item, symbols, key) for item in value]
    if key in _ID_KEYS:
        return symbols.get(str(value), value)
    if not isinstance(value, str):
        return value
    # ids last: the symbol of a volume names the guest that has it
    for actual, symbol in sorted(symbols.items(), key=lambda pair: pair[0].isdigit()):
        if actual.isdigit():
            value = re.sub(rf"(?<=lxc/){actual}(?!\d)|(?<=qemu/){actual}(?!\d)", symbol, value)
            value = re.sub(rf"(?<=/){actual}(?=/|$)", symbol, value) if key in ("path", "target") else value
        else:
            value = value.replace(actual, symbol)
    return value


def substitute(value: Any, known: Mapping[str, str]) -> Any:
    """`value` with each symbol replaced by what it turned out to be."""
    if isinstance(value, Mapping):
        return {key: substitute(item, known) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [substitute(item, known) for item in value]
    if isinstance(value, str):
        for symbol, actual in known.items():
            value = value.replace(symbol, actual)
    return value
