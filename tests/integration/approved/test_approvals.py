# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a policy asks approval for is done once it is approved, by another run than the one that asked, and once."""

import json
from datetime import datetime, timedelta
from typing import Any

from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger import verify

from .conftest import Site, destroy, lxc

GO_ON = {"ignore_errors": True}


def test_an_approval_is_for_one_plan_and_one_use(site: Site) -> None:
    """Asked for, misused for another guest, used, and used again."""
    asking = site.play(destroy(201))
    (request,) = site.requests
    approval = request["id"]
    assert (asking.status, asking.sent) == (2, [])
    assert "destroy lxc/201 old on pve1 needs approval" in asking.refusals[0]
    assert f"approve: {approval}" in asking.refusals[0]
    assert f'"approval_id": "{approval}"' in asking.output

    other = site.play(destroy(202, approve=[approval]))
    assert (other.status, other.sent) == (2, [])
    assert f"Approval {approval} is for destroy lxc/201 old on pve1 (one), and this is destroy lxc/202" in other.output

    approved = site.play(destroy(201, approve=[approval]))
    assert (approved.status, approved.sent) == (0, [("DELETE", "/nodes/pve1/lxc/201")]), approved.output
    permit = approved.intents[0]["permit"]
    assert (permit["approval"], permit["asked"]["run"]["ledger"]) == (approval, asking.run_id)

    site.lab.reset()  # the guest is back, as from a backup: the plan is the same as the one that was approved
    again = site.play(destroy(201, approve=[approval]))
    assert (again.status, again.sent) == (2, [])
    assert f"Approval {approval} was used at " in again.refusals[0]
    assert f"by run {approved.run_id}" in again.refusals[0]
    assert site.verdict() == verify.INTACT


def test_yesterdays_approval_is_refused(site: Site) -> None:
    site.play(destroy(201))
    (request,) = site.requests
    yesterday = {key: _a_day_before(request[key]) for key in ("made", "expires")}
    (site.folder / "approvals" / "requests" / f"{request['id']}.json").write_text(json.dumps(request | yesterday))
    late = site.play(destroy(201, approve=[request["id"]]))
    assert (late.status, late.sent) == (2, [])
    assert f"Approval {request['id']} of {yesterday['made']} expired at {yesterday['expires']}" in late.refusals[0]


def _a_day_before(time: str) -> str:
    return f"{datetime.fromisoformat(time) - timedelta(days=1):%Y-%m-%dT%H:%M:%SZ}"


def test_a_guest_that_changed_since_needs_a_new_approval(site: Site) -> None:
    site.play(destroy(201))
    (request,) = site.requests
    site.lab.state.guests[201].config["memory"] = 2048
    done = site.play(destroy(201, approve=[request["id"]]))
    assert (done.status, done.sent) == (2, [])
    assert f"Approval {request['id']} is for destroy lxc/201 old on pve1 as it was at" in done.refusals[0]
    assert "different now: lxc/201." in done.refusals[0]


def test_a_run_cannot_approve_itself(site: Site) -> None:
    """Neither in rescue, nor with what a task in check mode asked for; and a task's environment approves nothing."""
    given = "{{ ansible_failed_result.approval_id }}"
    done = site.play(
        {
            "name": "Ask, and help oneself",
            "block": [destroy(201)],
            "rescue": [
                destroy(201, GO_ON, approve=given),
                destroy(201, {"environment": {"STEWARD_APPROVE": given}, **GO_ON}),
            ],
        },
        destroy(202, {"check_mode": True, "register": "asked"}),
        destroy(202, approve="{{ asked.approval_id }}"),
    )
    assert done.status == 2
    assert done.sent == []
    first_of = {request["summary"]: request["id"] for request in reversed(site.requests)}
    assert len(first_of) == 2
    for approval in first_of.values():
        assert f"Approval {approval} was asked for by this very run, and a run cannot approve itself" in done.output
    assert {200, 201, 202} <= site.lab.state.guests.keys()


def test_playbooks_cannot_loosen_the_policy(site: Site) -> None:
    loosened: dict[str, Any] = {
        "module_defaults": {
            "group/steward.proxmox.proxmox": {"approval": "none", "max_risk": "high", "limits": {"max_cpu": 64}},
            "steward.proxmox.lxc": {"approval": "none"},
        },
        "environment": {"STEWARD_APPROVAL": "none", "STEWARD_POLICY": "", "STEWARD_APPROVALS": "elsewhere"},
    }
    done = site.play(
        destroy(201, GO_ON),
        destroy(202, GO_ON, approval="none"),
        lxc("Grow", 200, cores=32),
        policy={"limits": {"max_cpu": 8}},
        **loosened,
    )
    assert done.status == 2
    assert done.sent == []
    assert [text.partition(":")[0] for text in done.refusals[:2]] == [
        "destroy lxc/201 old on pve1 needs approval",
        "destroy lxc/202 cache on pve1 needs approval",
    ]
    assert "the limit is 8" in done.output
    assert {request["summary"] for request in site.requests} == {
        "destroy lxc/201 old on pve1",
        "destroy lxc/202 cache on pve1",
    }


def test_a_preview_asks_for_all_that_the_real_run_needs(site: Site) -> None:
    """The preview tells the ids; they come back as one text, of a survey or in the environment."""
    survey = {"group/steward.proxmox.proxmox": {"approve": "{{ approve | default('') }}"}}
    tasks = [destroy(201), lxc("Change", 200, cores=3), destroy(202)]
    preview = site.preview(*tasks, module_defaults=survey)
    assert (preview.status, preview.sent) == (0, []), preview.output
    ids = [request["id"] for request in site.requests]
    assert len(ids) == 2
    for approval in ids:
        assert f"run the same task with approve: {approval}" in preview.output

    answer = ",".join(reversed(ids))
    checked = site.preview(*tasks, variables={"STEWARD_APPROVE": answer})  # looking again uses nothing up
    assert "would be refused" not in checked.output
    done = site.play(*tasks, arguments=("-e", f"approve={answer}"), module_defaults=survey)
    assert done.status == 0, done.output
    assert [intent.get("permit", {}).get("approval") for intent in done.intents] == [ids[0], None, ids[1]]
    assert done.sent == [
        ("DELETE", "/nodes/pve1/lxc/201"),
        ("PUT", "/nodes/pve1/lxc/200/config"),
        ("DELETE", "/nodes/pve1/lxc/202"),
    ]
