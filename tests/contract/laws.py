# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The laws of the design as checks of one scenario: previewed, previewed again, done, done again.

Every message names the law, so that a planted fault can be seen to fail for the right reason.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import yaml
from ansible_collections.steward.proxmox.plugins.module_utils._operations import OPERATIONS
from ansible_collections.steward.proxmox.plugins.module_utils._plan import digest_of
from ansible_collections.steward.proxmox.plugins.module_utils._reconcile.task_types import expected

from tests.contract.harness import PLUGINS, Site, without_progress
from tests.contract.scenarios import Scenario

SYMBOL = re.compile(r"\(known after apply: [^)]*\)")
#: what a list of guests says of this moment
COUNTERS = {"cpu", "disk", "diskread", "diskwrite", "mem", "netin", "netout", "uptime"}
#: keys of a result that Ansible or the engine give every module
COMMON = {"changed", "plan", "diff", "warnings"}


@dataclass
class Proof:
    """What happened to one scenario."""

    site: Site
    scenario: Scenario
    preview: dict[str, Any]
    preview_again: dict[str, Any]
    real: dict[str, Any]
    real_again: dict[str, Any]
    planned: dict[str, Any]
    binding: dict[str, Any]
    sent_in_check_mode: list[str]
    sent_while_planning: list[str]
    sent: list[str]
    picture_changed: bool
    memory: list[str]

    @property
    def results(self) -> list[dict[str, Any]]:
        return [self.preview, self.preview_again, self.real, self.real_again]


def play(site: Site, scenario: Scenario) -> Proof:
    """Preview it twice in one run, do it, and do it again in another run."""
    task = (scenario.module, scenario.options, scenario.identity)
    for module, options in scenario.first:
        site.run().done(module, options, scenario.identity)
    site.forget()
    before = site.picture
    check = site.run(check=True)
    preview = check.done(*task)
    preview_again = check.done(*task)
    sent_in_check_mode = site.writes
    run = site.run()
    real = run.done(*task)
    planned, binding, sent_while_planning = run.planned, run.binding, run.sent_while_planning
    sent, changed = site.writes, site.picture != before
    again = site.run()
    return Proof(
        site,
        scenario,
        preview,
        preview_again,
        real,
        again.done(*task),
        planned,
        binding,
        sent_in_check_mode,
        sent_while_planning,
        sent,
        changed,
        [*check.entries, *run.entries, *again.entries],
    )


def one_writer(proof: Proof) -> None:
    assert proof.sent_in_check_mode == [], "law 1: something was sent in check mode"
    assert proof.sent_while_planning == [], "law 1: something was sent while planning"


def honest(proof: Proof) -> None:
    """`changed` is what the plan says, what was sent, and what the cluster shows."""
    for result in proof.results:
        if "plan" in result:
            assert result["changed"] == bool(result["plan"]["steps"]), "law 2: changed is not what the plan says"
    assert proof.preview["changed"] == proof.real["changed"], "law 2: check mode and the real run disagree"
    assert proof.real["changed"] == bool(proof.sent), "law 2: changed is not what was sent"
    assert proof.real["changed"] or not proof.picture_changed, "law 2: the cluster changed, and changed is false"
    if proof.real["changed"] and not proof.scenario.verb:
        assert proof.picture_changed, "law 2: changed is true, and nothing changed"


def same_plan(proof: Proof) -> None:
    """The preview is the change."""
    steps = [step["op"] for step in proof.real.get("plan", {"steps": []})["steps"]]
    assert tuple(steps) == proof.scenario.steps, "the scenario plans other steps"
    assert set(steps) <= OPERATIONS.keys(), "the table of operations does not say whether a step destroys"
    if "plan" in proof.real:
        assert proof.planned == proof.preview["plan"], "law 2: the plan of check mode is not the plan of the real run"
        assert without_progress(proof.real["plan"]) == proof.planned, "law 2: the plan changed while it was carried out"


def bound_to_what_is_shown(proof: Proof) -> None:
    """Whoever is shown a plan and its binding can compute its digest: what is approved is what was looked at."""
    if proof.planned.get("steps"):
        shown = json.loads(json.dumps([proof.planned["steps"], proof.binding]))
        assert digest_of(*shown) == proof.planned["digest"], "law 2: the digest is not that of the plan that is shown"


def traceable(proof: Proof) -> None:
    """Whoever has only the intent finds the task that a step started in the task log."""
    for step in proof.real.get("plan", {"steps": []})["steps"]:
        if "upid" in step:
            _upid, node, _pid, _pstart, _start, type_, id_, *_user = step["upid"].split(":")
            wanted = expected(step)
            assert wanted, f"the table of tasks does not know that {step['method']} {step['path']} starts {type_}"
            assert wanted.fits(type_, id_, node), f"the table of tasks expects {wanted}, it was {step['upid']}"


def second_run(proof: Proof) -> None:
    """A second run finds nothing to do, for real and in the preview; a verb does it again."""
    for law, first, again in (
        ("law 2", proof.real, proof.real_again),
        ("law 9", proof.preview, proof.preview_again),
    ):
        if proof.scenario.verb:
            assert again["changed"] == first["changed"], f"{law}: a verb runs every time"
        else:
            assert not again["changed"], f"{law}: the second run has steps: {again['plan']['steps']}"


def preview_came_true(proof: Proof) -> None:
    """What check mode returned is what the real run returned; only what the server chose differs."""
    for key in proof.preview.keys() - {"plan", "warnings"}:
        wrong = list(differences(proof.preview[key], proof.real.get(key), key))
        assert not wrong, f"law 9: the preview did not come true: {wrong}"


def secrets_stay_secret(proof: Proof) -> None:
    seen = json.dumps([proof.results, proof.planned, proof.binding, proof.memory, proof.site.lab.requests])
    leaked = [secret for secret in {*proof.site.secrets, *proof.scenario.secrets} if secret in seen]
    assert leaked == [], "law 6: a secret is seen"


def documented(proof: Proof) -> None:
    text = (PLUGINS / "modules" / f"{proof.scenario.module}.py").read_text(encoding="utf-8")
    returned = yaml.safe_load(text.partition('RETURN = r"""')[2].partition('"""')[0])
    undocumented = {key for result in proof.results for key in result} - returned.keys() - COMMON
    assert undocumented == set(), "the module returns what RETURN does not name"


LAWS: tuple[Callable[[Proof], None], ...] = (
    one_writer,
    honest,
    same_plan,
    bound_to_what_is_shown,
    traceable,
    second_run,
    preview_came_true,
    secrets_stay_secret,
    documented,
)


def prove(site: Site, scenario: Scenario) -> Proof:
    """Play the scenario and hold it to every law."""
    proof = play(site, scenario)
    for law in LAWS:
        law(proof)
    return proof


def differences(shown: Any, real: Any, where: str) -> list[str]:
    """Where a real value is not what the preview said. A symbol stands for anything; the server may add keys."""
    if isinstance(shown, Mapping) and isinstance(real, Mapping):
        return [
            text
            for key in shown
            if key not in COUNTERS
            for text in differences(shown[key], real.get(key), f"{where}.{key}")
        ]
    if isinstance(shown, list) and isinstance(real, list) and len(shown) == len(real):
        pairs = zip(shown, real, strict=True)
        return [text for n, (one, other) in enumerate(pairs) for text in differences(one, other, f"{where}[{n}]")]
    return [] if came_true(shown, real) else [f"{where}: {shown!r} became {real!r}"]


def came_true(shown: Any, real: Any) -> bool:
    """Is it the same value, as the wire may write it: numbers as text, property strings in another order?"""
    if not isinstance(shown, str) or not isinstance(real, str):
        return str(shown) == str(real)
    there = set(real.rstrip("\n").split(","))
    return all(
        any(re.fullmatch(_pattern(part), candidate) for candidate in there) for part in shown.rstrip("\n").split(",")
    )


def _pattern(text: str) -> str:
    return ".+".join(re.escape(part) for part in SYMBOL.split(text))
