# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two runs that change the same guest: one after the other, or refused; never one in the middle of the other."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils import _engine
from ansible_collections.steward.proxmox.plugins.module_utils._engine import Work, open_writer
from ansible_collections.steward.proxmox.plugins.module_utils._errors import Changed, Refused
from ansible_collections.steward.proxmox.plugins.module_utils._memory import Memory

from tests.contract.harness import Elsewhere, Site, planner_of, validated
from tests.contract.scenarios import SEED
from tests.lab import Lab

VMID = 210


@pytest.fixture
def site() -> Iterator[Site]:
    with Lab(seed=SEED, task_seconds=0.2) as lab:
        found = Site(lab)
        found.forget()
        yield found


def planned(site: Site, module: str = "lxc", **options: Any) -> Work:
    """A task that has planned, and has not changed anything yet."""
    planner = planner_of(module)
    assert planner is not None
    given = validated(planner, {**site.connection("admin"), "vmid": VMID, **options})
    return Work(planner, given, Memory(), False, open_writer(planner, given))


def config(site: Site) -> dict[str, Any]:
    return site.lab.state.guests[VMID].config


def test_a_plan_that_another_task_made_old_is_refused_before_anything_is_sent(site: Site) -> None:
    first, second = planned(site, memory=1024), planned(site, memory=2048)
    first.carry_out()
    site.forget()
    with pytest.raises(Refused, match=f"Another task of this machine has changed lxc/{VMID} since this was planned"):
        second.carry_out()
    assert site.writes == []
    assert int(config(site)["memory"]) == 1024


def test_what_does_not_conflict_is_done_after_the_other(site: Site) -> None:
    first, second = planned(site, memory=1024), planned(site, cores=3)
    first.carry_out()
    second.carry_out()
    assert (int(config(site)["memory"]), int(config(site)["cores"])) == (1024, 3)


def test_the_digest_refuses_what_another_controller_made_old(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_engine, "Turn", Elsewhere)
    first, second = planned(site, memory=1024), planned(site, memory=2048)
    first.carry_out()
    with pytest.raises(Changed):
        second.carry_out()
    assert int(config(site)["memory"]) == 1024


def test_a_change_from_elsewhere_during_a_shutdown_stops_the_plan(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopping takes a while; what is destroyed afterwards must be what was planned to be destroyed."""
    monkeypatch.setattr(_engine, "Turn", Elsewhere)
    removal, change = planned(site, state="absent", force=True), planned(site, description="still needed")
    carry_out = threading.Thread(target=change.carry_out)
    send = removal.writer.send

    def send_and_be_disturbed(method: str, path: str, data: Any = None) -> Any:
        answer = send(method, path, data)
        if path.endswith("/status/stop"):
            carry_out.start()
            carry_out.join(60)
        return answer

    monkeypatch.setattr(removal.writer, "send", send_and_be_disturbed)
    with pytest.raises(Changed, match=f"lxc/{VMID} was changed by somebody else"):
        removal.carry_out()
    assert VMID in site.lab.state.guests
    assert [went["status"] for went in removal.plan.progress] == ["done", "failed"]


def test_two_tasks_of_one_machine_do_not_interleave(site: Site) -> None:
    """The second one waits through every step of the first."""
    moving = planned(site, state="shutdown", memory=1024, description="first")
    describing = planned(site, description="second")
    failed: list[Refused] = []

    def second() -> None:
        try:
            describing.carry_out()
        except Refused as error:
            failed.append(error)

    threads = [threading.Thread(target=moving.carry_out), threading.Thread(target=second)]
    threads[0].start()
    while not site.writes and threads[0].is_alive():
        time.sleep(0.005)
    threads[1].start()
    for thread in threads:
        thread.join(30)
    first_steps = [f"{step.method} {step.path}" for step in moving.plan.steps]
    assert site.writes == first_steps
    assert len(failed) == 1
    assert config(site)["description"].strip() == "first"
