# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that a play can do with a task: each change is recorded, once for each time that it is tried."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from .conftest import FAILED, GUESTS, INTACT, Site, put, update


def assert_whole(site: Site) -> None:
    """What was sent is what was intended, and everything has come to an end."""
    assert Counter(site.sent) == site.intended
    verdict, why = site.verify()
    assert verdict == INTACT, why


@pytest.mark.parametrize("strategy", ["linear", "free", pytest.param("host_pinned", marks=pytest.mark.slow)])
def test_fifty_forks(site: Site, strategy: str) -> None:
    hosts = "".join(f"{vmid}," for vmid in GUESTS)
    task = update("{{ inventory_hostname }}", "{{ 2 + item }}", loop=[1, 2])
    done = site.play(task, hosts=hosts, strategy=strategy, arguments=("--forks=50",))
    assert done.status == 0, done.output
    assert Counter(done.sent) == {put(vmid): 2 for vmid in GUESTS}
    assert_whole(site)


def test_shapes_of_tasks(site: Site) -> None:
    """One play with all that a task can be; the server refuses a few writes, which the play gets over."""
    (site.folder / "more.yml").write_text(
        "- {name: Included, steward.proxmox.lxc: {vmid: '{{ number }}', node: pve1, cores: 2}}\n"
    )
    for vmid, times in {203: 2, 204: 1, 205: 1}.items():
        site.lab.fault(method="PUT", path=f"/lxc/{vmid}/config", status=500, count=times)
    once = {"run_once": True}
    wait: dict[str, Any] = {"register": "went", "until": "went is succeeded", "retries": 5, "delay": 0}
    done = site.play(
        update("{{ mine }}", "{{ 2 + item }}", loop=[1, 2, 3], when="item != 2", no_log=True),
        update(201, delegate_to="elsewhere", vars={"ansible_connection": "local"}, **once),
        {"block": [update(204)], "rescue": [update(202)], "when": "inventory_hostname == 'one'"},
        update(203, **once, **wait),
        update(205, ignore_errors=True, **once),
        {"name": "More", "ansible.builtin.include_tasks": "more.yml", "vars": {"number": 206}, **once},
        update(207, notify="Handle", throttle=1, **once),
        hosts="one,two,",
        vars={"mine": "{{ 200 if inventory_hostname == 'one' else 210 }}"},
        handlers=[update(208, name="Handle", **once)],
    )
    assert done.status == 0, done.output
    assert Counter(done.sent) == {put(vmid): times for vmid, times in TRIED.items()}
    assert Counter(frame["status"] for frame in site.frames if frame["type"] == "outcome") == {"ok": 10, "failed": 4}
    assert_whole(site)


#: how often that play writes to which guest
TRIED = {200: 2, 210: 2, 203: 3} | dict.fromkeys((201, 202, 204, 205, 206, 207, 208), 1)


def test_async_does_not_escape_the_ledger(site: Site) -> None:
    done = site.play(update(200, **{"async": 10, "poll": 0}))
    assert (done.status, done.sent) == (FAILED, [])
    assert "would escape the ledger" in done.told


@pytest.mark.parametrize(
    ("callbacks", "asked_by"),
    [
        ("ansible.builtin.default", "ansible.cfg"),
        ("steward.proxmox.plan", "environment"),
        ("steward.proxmox.ledgr", "policy"),
        ("", "ansible.cfg"),
    ],
    ids=["left out", "another one", "misspelt", "empty"],
)
def test_nothing_is_changed_without_the_callback(site: Site, callbacks: str, asked_by: str) -> None:
    site.variables["ANSIBLE_CALLBACKS_ENABLED"] = callbacks
    if asked_by != "ansible.cfg":
        site.configuration = ""
    if asked_by == "environment":
        site.variables["STEWARD_LEDGER_REQUIRED"] = "1"
    if asked_by == "policy":
        (site.folder / "policy.yml").write_text("{version: 1, ledger: required}")
        site.variables["STEWARD_POLICY"] = str(site.folder / "policy.yml")
    done = site.play(update(200), update(201, ignore_errors=True))
    assert done.status != 0
    assert done.sent == []


def test_a_single_task_without_a_playbook(site: Site) -> None:
    """Ansible loads no callbacks for it, unless it is told to."""
    command = ["ansible", "all", "-i", "one,", "-c", "local", "-m", "steward.proxmox.lxc"]
    command += ["-a", "vmid=200 node=pve1 cores=2"]
    done = site.run(*command)
    assert (done.status, done.sent) == (FAILED, [])
    assert "A ledger is required and none is open" in done.told
    site.variables["ANSIBLE_LOAD_CALLBACK_PLUGINS"] = "1"
    done = site.run(*command)
    assert (done.status, done.sent) == (0, [put(200)]), done.output
    assert_whole(site)
