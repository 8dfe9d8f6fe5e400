# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A run that was interrupted in the middle of its saved plan is gone on with, and the plan still holds."""

from typing import Any

from .conftest import Site, destroy, lxc


def tasks() -> tuple[dict[str, Any], ...]:
    """The second change counts on the first one: its digest is bound to it."""
    return lxc("Memory", 201, memory=1024), lxc("Start", 201, state="started"), destroy(202)


def test_an_interrupted_run_goes_on_with_its_plan(site: Site) -> None:
    assert site.preview(*tasks()).status == 0
    site.lab.fault(method="POST", path=r"/201/status/start$", status=500, reason="no more memory")
    broken = site.apply(*tasks())
    assert (broken.status, [path for _method, path in broken.sent]) == (
        2,
        ["/nodes/pve1/lxc/201/config", "/nodes/pve1/lxc/201/status/start"],
    )

    anew = site.apply(*tasks())
    assert (anew.status, anew.sent) == (2, [])
    assert "lxc/201 was to be changed by an earlier task of the plan, and this run has not done so" in anew.refusals[0]

    resumed = site.apply(*tasks(), variables={"STEWARD_RESUME": broken.run_id})
    assert resumed.status == 0, resumed.output
    assert resumed.sent == [("POST", "/nodes/pve1/lxc/201/status/start"), ("DELETE", "/nodes/pve1/lxc/202")]

    site.lab.reset()
    replayed = site.apply(*tasks(), variables={"STEWARD_RESUME": broken.run_id})
    assert (replayed.status, replayed.sent) == (2, [])


def test_a_resumed_run_is_one_that_there_is(site: Site) -> None:
    site.play(lxc("Memory", 201, memory=1024))
    unknown = site.play(lxc("Memory", 201, memory=2048), variables={"STEWARD_RESUME": "0123"})
    assert (unknown.status, unknown.sent) == (2, [])
    assert "'0123' is the beginning of 0 runs of this ledger" in unknown.output
