# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Between two steps of a plan, a guest that somebody else changed is noticed; our own changes are expected."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._apply import Patience, carry_out
from ansible_collections.steward.proxmox.plugins.module_utils._errors import Changed
from ansible_collections.steward.proxmox.plugins.module_utils._plan import Plan, Step

GUEST = "/nodes/pve1/qemu/100"


class Guest:
    """A guest whose configuration somebody else, or a step of ours, changes."""

    def __init__(self, others: frozenset[str] = frozenset(), ours: frozenset[str] = frozenset({"snapshot"})) -> None:
        self.others, self.ours, self.version = others, ours, 1
        self.sent: list[tuple[str, dict[str, Any]]] = []

    def send(self, _method: str, path: str, data: Mapping[str, Any] | None = None) -> None:
        name = path.rpartition("/")[2]
        self.sent.append((name, dict(data or {})))
        self.version += (name in self.others) + (name in self.ours)

    def get(self, path: str, /, **_params: Any) -> Any:
        assert path == f"{GUEST}/config"
        return {"digest": f"v{self.version}"}


def step(op: str, **guard: Any) -> Step:
    return Step(op, "qemu/100", "POST", f"{GUEST}/{op}", guard=guard)


def carried_out(guest: Guest, *steps: Step, marks: bool = True) -> Plan:
    plan = Plan(steps=list(steps), marks={"qemu/100": "v1"} if marks else {})
    carry_out(plan, guest, Patience())
    return plan


def test_a_change_during_a_shutdown_stops_what_comes_after_it() -> None:
    guest = Guest(others=frozenset({"shutdown"}))
    plan = Plan(steps=[step("shutdown"), step("destroy")], marks={"qemu/100": "v1"})
    with pytest.raises(Changed, match="qemu/100 was changed by somebody else while this plan was carried out"):
        carry_out(plan, guest, Patience())
    assert [name for name, _data in guest.sent] == ["shutdown"]
    assert [went["status"] for went in plan.progress] == ["done", "failed"]


def test_without_a_change_it_goes_on() -> None:
    guest = Guest()
    carried_out(guest, step("shutdown"), step("destroy"))
    assert [name for name, _data in guest.sent] == ["shutdown", "destroy"]


def test_a_guard_is_renewed_after_a_change_of_our_own() -> None:
    """A snapshot writes into the configuration: the update after it would be refused with the digest of before."""
    guest = Guest()
    carried_out(guest, step("snapshot"), step("update", digest="v1"))
    assert guest.sent[1] == ("update", {"digest": "v2"})


def test_a_guard_is_not_renewed_over_a_change_of_somebody_else() -> None:
    guest = Guest(others=frozenset({"shutdown"}))
    with pytest.raises(Changed):
        carried_out(guest, step("snapshot"), step("shutdown"), step("update", digest="v1"))


def test_a_guest_that_this_plan_makes_is_not_watched() -> None:
    guest = Guest(others=frozenset({"create"}))
    carried_out(guest, step("create"), step("start"), marks=False)
    assert len(guest.sent) == 2
