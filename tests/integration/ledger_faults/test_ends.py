# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run is killed or cancelled between two steps, whichever they are: nothing is lost, and the next run goes on."""

from __future__ import annotations

import re
import signal
import sys
from typing import Any

import pytest

from .conftest import FAILED, GUESTS, INCOMPLETE, INTACT, REMOTE, Done, NewSite, Site, put, update

STATUS = {"kill": -signal.SIGKILL, "cancel": -signal.SIGTERM, "interrupt": 99}


def number_of(step: str, done: Done) -> int:
    """The place of the first such step, from 1."""
    return next(place for place, found in enumerate(done.steps, 1) if re.fullmatch(step, found))


def the_next_run_is_fine(site: Site) -> None:
    closed = site.count()["run_close"]
    done = site.play(update(249))
    assert done.status == 0, done.output
    assert put(249) in done.sent  # beside what was still on its way from workers whose parent was killed
    assert site.count()["run_close"] == closed + 1


def assert_open_change_is_named(site: Site) -> None:
    verdict, why = site.verify()
    assert verdict == INCOMPLETE
    assert "lxc/200" in why


def test_every_write_follows_its_synced_intent(site: Site) -> None:
    done = site.play(update())
    assert done.status == 0, done.output
    places = [
        number_of(step, done) for step in (r"write runs/RUN\S* intent", r"sync runs/RUN\S* intent", "send PUT .*")
    ]
    assert places == sorted(places)
    assert [step for step in done.steps if step.startswith("send")] == [f"send {put(200)}"]
    assert site.verify()[0] == INTACT


@pytest.mark.parametrize("what", ["kill", "cancel", pytest.param("interrupt", marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("before", "sent", "named"),
    [
        (r"write runs/\S* run_open", 0, False),
        (r"write runs/\S* intent", 0, False),
        (r"sync runs/\S* intent", 0, True),
        ("send PUT .*", 0, True),
        (r"write runs/\S* outcome", 1, True),
        (r"write runs/\S* run_close", 1, False),
    ],
)
def test_a_run_that_is_ended_is_seen(site: Site, what: str, before: str, sent: int, named: bool) -> None:
    done = site.play(update(), fault={"at": before, "what": what})
    assert (done.status, len(done.sent)) == (STATUS[what], sent), done.output
    assert site.verify()[0] != INTACT
    if named:
        assert_open_change_is_named(site)


@pytest.mark.parametrize("what", ["kill", pytest.param("lose", marks=pytest.mark.slow)])
def test_a_module_on_a_target_ends(site: Site, what: str) -> None:
    """Without ansible-playbook, or alone: what it was about to do stays unknown."""
    site.variables["ANSIBLE_CONNECTION_PLUGINS"] = str(REMOTE)
    site.variables["ANSIBLE_REMOTE_TMP"] = str(site.folder / "tmp")
    remote: dict[str, Any] = {"connection": "lab_remote", "vars": {"ansible_python_interpreter": sys.executable}}
    done = site.play(update(200, **remote), fault={"at": "send PUT .*", "what": what})
    assert (done.status, done.sent) == (STATUS.get(what, FAILED), []), done.output
    assert_open_change_is_named(site)


@pytest.mark.slow
def test_runs_at_once_of_which_one_is_killed(site: Site) -> None:
    """They share the log. The one that is killed keeps nobody out."""
    plays = [site.playbook(update(vmid, "{{ 2 + item }}", loop=[1, 2, 3]), name=f"{vmid}.yml") for vmid in (200, 201)]
    others = [site.start(*play) for play in plays]
    site.play(update(202), fault={"at": "write log.jsonl close", "what": "kill"})
    assert [site.finish(process)[0] for process in others] == [0, 0]
    assert site.verify()[0] == INCOMPLETE
    assert site.count() == {"run_open": 3, "intent": 7, "outcome": 7, "run_close": 3}
    the_next_run_is_fine(site)


@pytest.mark.slow
def test_a_new_ledger_outlives_every_end(new_site: NewSite) -> None:
    for place in range(1, number_of(r"write runs/\S* intent", new_site().play(update())) + 1):
        site = new_site()
        done = site.play(update(), fault={"at": place, "what": "kill"})
        assert (done.status, done.sent) == (STATUS["kill"], []), (place, done.output)
        the_next_run_is_fine(site)


@pytest.mark.slow
@pytest.mark.parametrize("what", ["kill", "cancel"])
def test_a_ledger_outlives_every_end(site: Site, what: str) -> None:
    """One after the other, so that each run begins with what the ended ones left; a witness has seen all of it."""
    site.configuration += f"checkpoint_every = 1\nsinks = file:{site.folder}/witness\nsinks_required = true\n"
    first = site.play(update(cores=2))
    again = site.play(update(cores=3))
    assert first.status == again.status == 0
    for place in range(1, len(again.steps) + 1):
        done = site.play(update(cores=4 + place % 2), fault={"at": place, "what": what})
        assert done.status == STATUS[what], (place, again.steps[place - 1], done.output)
    the_next_run_is_fine(site)
    assert_open_change_is_named(site)


@pytest.mark.slow
def test_every_end_of_a_worker_is_told(site: Site) -> None:
    assert site.play(update(cores=2)).status == 0
    whole = site.play(update(cores=3))
    places = range(number_of(r"open runs/\S*", whole), number_of(r"write runs/\S* run_close", whole))
    ended = 0
    for place in places:
        done = site.play(update(cores=4 + place % 2), fault={"at": place, "what": "lose"})
        in_worker = "dead state" in done.output
        assert in_worker == (done.status != 0), (place, done.output)
        ended += in_worker
    assert ended > 4
    assert_open_change_is_named(site)


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["linear", "free"])
@pytest.mark.parametrize("what", ["kill", "cancel"])
def test_twenty_forks_lose_their_parent(site: Site, strategy: str, what: str) -> None:
    hosts = "".join(f"{vmid}," for vmid in GUESTS[:20])
    for place in (40, 80, 160):
        task = update("{{ inventory_hostname }}", f"{{{{ {place} + item }}}}", loop=[1, 2, 3])
        done = site.play(
            task, hosts=hosts, strategy=strategy, arguments=("--forks=20",), fault={"at": place, "what": what}
        )
        assert done.status == STATUS[what], (place, done.output)
    the_next_run_is_fine(site)
