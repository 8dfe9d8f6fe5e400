# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How many requests an operation on a guest costs, with a token. docs/performance.md says the same numbers."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract import guest_scenarios
from tests.contract.harness import PLUGINS, Site
from tests.contract.scenarios import container

PAGE = PLUGINS.parent / "docs" / "performance.md"
HERE = {"node": "pve1"}
WAITED = {"wait_for": {"ip": "any", "timeout": 20}}

#: module, what is done, its options, whether it changes something
OPERATIONS: list[tuple[str, str, dict[str, Any], bool]] = [
    ("vm", "as wanted, by `vmid` and `node`", {"vmid": 700, **HERE, "memory": 1024}, False),
    ("vm", "as wanted and running, by `vmid` and `node`", {"vmid": 701, **HERE, "state": "started"}, False),
    ("vm", "as wanted, by `vmid`", {"vmid": 700, "memory": 1024}, False),
    ("vm", "as wanted, by `name`", {"name": "v700", "memory": 1024}, False),
    ("vm", "as wanted and running, by `name`", {"name": "v701", "state": "started"}, False),
    ("vm", "as wanted, running, with its address", {"vmid": 701, **HERE, "state": "started", **WAITED}, False),
    ("vm", "absent already, by `vmid` and `node`", {"vmid": 799, **HERE, "state": "absent"}, False),
    ("vm", "memory changed", {"vmid": 702, **HERE, "memory": 2048}, True),
    ("vm", "started", {"vmid": 703, **HERE, "state": "started"}, True),
    ("lxc", "as wanted, by `vmid` and `node`", {"vmid": 710, **HERE, "memory": 512}, False),
    ("lxc", "as wanted and running, by `vmid` and `node`", {"vmid": 711, **HERE, "state": "started"}, False),
    ("lxc", "as wanted, by `name`", {"name": "c710", "memory": 512}, False),
    ("lxc", "memory changed", {"vmid": 712, **HERE, "memory": 1024}, True),
]
SEED = {
    "guests": {
        **{vmid: guest_scenarios.machine(vmid) for vmid in (700, 702, 703)},
        701: guest_scenarios.machine(701, running=True) | {"agent_seconds": 0},
        **{vmid: container(vmid, running=vmid == 711) for vmid in (710, 711, 712)},
    }
}


def requests(site: Site, module: str, options: dict[str, Any], changes: bool) -> int:
    """Reading a token's permissions, once per run, and polling a task count too."""
    site.reset(SEED)
    result = site.run().done(module, options)
    assert result["changed"] is changes
    return len(site.lab.requests)


@pytest.mark.parametrize(("module", "what", "options", "changes"), OPERATIONS, ids=lambda value: str(value)[:50])
def test_the_page_tells_the_requests(
    site: Site, module: str, what: str, options: dict[str, Any], changes: bool
) -> None:
    row = f"| `{module}` | {what} | {requests(site, module, options, changes)} |"
    assert row in PAGE.read_text(encoding="utf-8"), row


@pytest.mark.parametrize("module", ["vm", "lxc"])
def test_a_task_that_finds_its_guest_as_wanted_costs_one_request_or_two(site: Site, module: str) -> None:
    counts = {what: requests(site, of, options, changes) for of, what, options, changes in OPERATIONS if of == module}
    assert counts["as wanted, by `vmid` and `node`"] == 1
    assert counts["as wanted and running, by `vmid` and `node`"] == 2
    assert counts["as wanted, by `name`"] <= 2
