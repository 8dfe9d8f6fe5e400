# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lab answers as the real API did: the recordings are replayed in their order."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.lab import Lab
from tests.lab.state import merge

from .replay import Difference, Machine, Outcome, Replay, RoundTrip, load

HERE = Path(__file__).parent
RECORDINGS = Path(os.environ.get("STEWARD_RECORDINGS") or HERE.parents[3] / "shared" / "real-pve")
ENOUGH = 0.85
pytestmark = pytest.mark.skipif(
    not (RECORDINGS / "captures.jsonl").is_file(),
    reason=f"the recordings of the real API are not at {RECORDINGS} (STEWARD_RECORDINGS names another place)",
)


def read(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((HERE / name).read_text(encoding="utf-8"))
    return found


def roundtrip() -> RoundTrip:
    return RoundTrip(json.loads((RECORDINGS / "config-roundtrip.json").read_text(encoding="utf-8")))


def reason_of(difference: Difference, known: dict[str, dict[str, str]]) -> str | None:
    """Why a difference is known: by its label, and where one label stands for several, by its number."""
    recording = difference.recording
    return known.get(f"{recording.label} #{recording.number}") or known.get(recording.label)  # type: ignore[return-value]


def report(name: str, outcome: Outcome, known: dict[str, Any]) -> None:
    share = len(outcome.agreed) / outcome.served
    print(
        f"\n{name}: {len(outcome.agreed)} of {outcome.served} recordings on served paths agree ({share:.1%}), "
        f"{len(outcome.not_served)} are on paths that the lab does not serve"
    )
    for difference in outcome.differences:
        why = reason_of(difference, known) or "NOT EXPLAINED"
        print(f"  #{difference.recording.number} {difference.recording.label}: {difference.what}\n      {why}")


@pytest.mark.parametrize("name", ["captures", "objects"])
def test_recordings(name: str) -> None:
    described = read("recorded_machine.yml")
    if name == "objects":
        over = read("recorded_objects.yml")
        described = {**over, "seed": merge(described["seed"], over["seed"])}
    known = read("known_differences.yml")[name]
    machine = Machine(described)
    with Lab(machine.seed) as lab:
        outcome = Replay(lab, load(RECORDINGS / f"{name}.jsonl"), machine, roundtrip()).run()
    report(name, outcome, known)
    assert outcome.served > 500
    assert len(outcome.agreed) / outcome.served >= ENOUGH
    assert [d.recording.label for d in outcome.differences if reason_of(d, known) is None] == []


def test_a_known_difference_is_still_one() -> None:
    """The table holds no entry that has become wrong: it would hide the next difference of that label."""
    labels = {recording.label for name in ("captures", "objects") for recording in load(RECORDINGS / f"{name}.jsonl")}
    for table in read("known_differences.yml").values():
        assert {label.split(" #")[0] for label in table} <= labels


def test_what_is_put_into_a_configuration_is_read_back_as_recorded() -> None:
    machine = Machine(read("recorded_machine.yml"))
    with Lab(machine.seed) as lab:
        results = list(roundtrip().play(Replay(lab, [], machine).request, lab))
    assert len(results) > 100
    assert [result for result in results if result] == []
