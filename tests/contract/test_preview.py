# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Law 9: a whole job, previewed from an empty cluster to its last task, and then done: the same plans, task by task."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from tests.contract.harness import Run, Site
from tests.contract.laws import differences
from tests.contract.scenarios import TEMPLATE, Task, backup, snapshot

#: stands where a playbook has the registered volume id of the backup before it
VOLID = "{{ backup.volid }}"
#: tasks that do what they do every time, so that a second run of the job has steps again
VERBS = {"rolled_back", "absent", "restarted"}


def from_template(**more: Any) -> Task:
    made = {"node": "pve1", "source": {"template": TEMPLATE}, "rootfs": {"storage": "local-zfs"}}
    return "lxc", {**made, "net": [{"slot": "net0", "bridge": "vmbr0", "ip": "dhcp", "firewall": True}], **more}


def restored(vmid: int) -> Task:
    return "lxc", {
        "vmid": vmid,
        "name": f"copy{vmid}",
        "node": "pve1",
        "state": "started",
        "source": {"archive": {"storage": "local", "name": "golden"}},
        "rootfs": {"storage": "local-zfs"},
        "net": [{"slot": "net0", "ip": f"10.0.0.{vmid % 200}/24", "gw": "10.0.0.254"}],
    }


GOLDEN: list[Task] = [
    ("acl", {"path": "/vms/300", "type": "user", "ugid": "alice@pve", "roleid": "PVEVMUser"}),
    from_template(vmid=300, name="golden", state="started", features={"nesting": True}, tags=["golden"]),
    # a container made earlier in the run: its MAC and its volume are symbols in the preview
    (
        "lxc",
        {
            "vmid": 300,
            "node": "pve1",
            "cores": 2,
            "rootfs": {"size": "6G"},
            "net": [{"slot": "net0", "ip": "10.0.0.9/24"}, {"slot": "net1", "bridge": "vmbr1", "tag": 9}],
        },
    ),
    snapshot(300, "before", description="before it"),
    ("lxc", {"vmid": 300, "cores": 4, "delete": ["net1"]}),
    snapshot(300, "before", state="rolled_back", start=True),
    ("lxc", {"vmid": 300, "cores": 4}),
    snapshot(300, "before", state="absent"),
    ("lxc", {"vmid": 300, "state": "stopped"}),
    backup(300, "golden", protected=True),
    ("privileged_host", {"node": "pve1", "runner": "direct", "golden_lxc": {
        "vmid": 309, "template": TEMPLATE, "storage": "local-zfs", "hostname": "docker"}}),
    ("lxc", {"vmid": 309, "node": "pve1", "state": "started"}),
    backup(309, "docker"),
]  # fmt: skip
#: the backup by its volume id, which the preview does not know yet
REGISTERED: list[Task] = [
    ("lxc", {**restored(304)[1], "source": {"archive": {"volid": VOLID}}}),
    ("backup", {"vmid": 309, "storage": "local", "volid": VOLID, "state": "absent"}),
]
COPIES: list[Task] = [restored(301), restored(302), restored(303)]
UNNAMED: list[Task] = [
    from_template(name="worker-a"),
    from_template(name="worker-b", state="started"),
    ("lxc", {"name": "worker-a", "memory": 1024, "state": "started"}),
    ("snapshot", {"name": "worker-b", "snapshot": "first"}),
    ("lxc", {"name": "worker-a", "state": "stopped"}),
    ("lxc", {"name": "worker-c", "node": "pve1", "source": {"clone": {"name": "worker-a"}}}),
]
CLONES: list[Task] = [
    ("lxc", {"vmid": 310, "name": "base", "node": "pve1", "source": {"clone": {"vmid": 300}}}),
    ("lxc", {"vmid": 310, "state": "template"}),
    (
        "lxc",
        {
            "vmid": 311,
            "name": "linked",
            "node": "pve1",
            "state": "started",
            "source": {"clone": {"vmid": 310, "full": False}},
        },
    ),
    ("api", {"path": "/pools", "method": "post", "data": {"poolid": "web"}, "creates": "/pools/web"}),
    from_template(vmid=312, name="pooled", pool="web"),
]
BACKUPS: list[Task] = [
    ("backup", {"vmid": 300, "storage": "local"}),
    ("backup", {"vmid": 300, "storage": "local"}),
    ("backup", {"vmid": 300, "storage": "local", "state": "pruned", "keep": {"last": 1}}),
    backup(300, "golden", protected=False),
    backup(300, "golden", state="absent"),
]
ENDS: list[Task] = [
    ("lxc", {"vmid": 303, "state": "absent", "force": True}),
    ("lxc", {"vmid": 303, "state": "absent"}),
    ("guest_info", {"details": ["config", "status"]}),
    ("backup_info", {"node": "pve1", "storage": "local"}),
]
JOB: tuple[Task, ...] = (*GOLDEN, *REGISTERED, *COPIES, *UNNAMED, *CLONES, *BACKUPS, *ENDS)


def outcomes(run: Run, job: Sequence[Task] = JOB) -> list[dict[str, Any]]:
    """The results of the job. A volume id that a task returned is there for the later ones, as with `register`."""
    results, volid = [], ""
    for module, options in job:
        given = json.loads(json.dumps(options).replace(VOLID, volid))
        results.append(run.done(module, given))
        volid = results[-1].get("volid", volid)
    return results


def needs(result: dict[str, Any]) -> list[dict[str, Any]]:
    """What the plan needs. Whether it is held is unknown in a preview once a task before it changes the access list."""
    return [{key: value for key, value in row.items() if key != "held"} for row in result["plan"]["privileges"]]


@pytest.fixture
def previews(empty_site: Site) -> list[dict[str, Any]]:
    found = outcomes(empty_site.run(check=True))
    assert empty_site.writes == []
    assert empty_site.lab.state.guests == {}
    return found


def test_a_whole_job_is_previewed_as_it_is_done(empty_site: Site, previews: list[dict[str, Any]]) -> None:
    real = outcomes(empty_site.run())
    for (module, options), shown, done in zip(JOB, previews, real, strict=True):
        where = f"{module} {options}"
        if "plan" in shown:
            steps = [[step["op"] for step in result["plan"]["steps"]] for result in (shown, done)]
            assert steps[0] == steps[1], where
            assert shown["plan"]["digest"] == done["plan"]["digest"], where
            assert shown["plan"]["risk"]["level"] == done["plan"]["risk"]["level"], where
            assert needs(shown) == needs(done), where
        assert shown["changed"] == done["changed"], where


def test_what_a_job_shows_in_the_preview_comes_true(empty_site: Site, previews: list[dict[str, Any]]) -> None:
    real = outcomes(empty_site.run())
    for (module, options), shown, done in zip(JOB, previews, real, strict=True):
        for key in ("config", "snapshots", "acl", "vmid", "node"):
            if key in shown:
                assert differences(shown[key], done[key], f"{module} {options} {key}") == []
    guests, backups = previews[-2]["guests"], previews[-1]["backups"]
    assert [row["vmid"] for row in guests] == [row["vmid"] for row in real[-2]["guests"]]
    assert [row["name"] for row in guests] == [row["name"] for row in real[-2]["guests"]]
    assert [row["status"]["status"] for row in guests] == [row["status"]["status"] for row in real[-2]["guests"]]
    assert sorted(row["name"] for row in backups) == sorted(row["name"] for row in real[-1]["backups"])


def test_copies_share_no_address_with_their_origin(empty_site: Site) -> None:
    outcomes(empty_site.run())
    nets = [
        str(value)
        for guest in empty_site.lab.state.guests.values()
        for key, value in guest.config.items()
        if key.startswith("net")
    ]
    macs = [part for net in nets for part in net.split(",") if part.startswith("hwaddr=")]
    assert len(nets) > 8
    assert len(set(macs)) == len(nets)


def test_each_task_finds_its_work_done(empty_site: Site) -> None:
    """Done twice in a row, a task that wants a state has nothing to do the second time, in the same run and later."""
    run = empty_site.run()
    for module, options in [*GOLDEN, *COPIES, *UNNAMED, *CLONES]:
        run.done(module, options)
        if options.get("state") not in VERBS:
            for again in (run, empty_site.run(), empty_site.run(check=True)):
                assert not again.done(module, options)["changed"], f"{module} {options}"
