# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the tests of peer faults look at: the guests of the seed, and what became of them."""

from __future__ import annotations

from typing import Any

from tests.contract.harness import Site
from tests.contract.laws import differences

#: guests of the seed: a machine that is stopped, one that runs, one that is a template; two containers
VM, RUNNING_VM, TEMPLATE = ({"vmid": vmid, "node": "pve1"} for vmid in (320, 321, 349))
CT, RUNNING_CT = ({"vmid": vmid, "node": "pve1"} for vmid in (213, 210))


def config(site: Site, guest: dict[str, Any]) -> dict[str, Any]:
    """The configuration that the server holds."""
    return dict(site.lab.state.guests[guest["vmid"]].config)


def parts(text: str) -> dict[str, str]:
    """A property string as its keys; what has no key stands as "volume"."""
    pairs = [part.partition("=") for part in text.split(",")]
    return {key if equals else "volume": value if equals else key for key, equals, value in pairs}


def ops(result: dict[str, Any]) -> list[str]:
    return [step["op"] for step in result["plan"]["steps"]]


def sent(result: dict[str, Any]) -> list[dict[str, Any]]:
    """What each step sent."""
    return [step["data"] for step in result["plan"]["steps"]]


def asked(site: Site) -> list[str]:
    """Every request since the test forgot the earlier ones."""
    return [f"{entry['method']} {entry['path']}" for entry in site.lab.requests]


def converged(site: Site, module: str, task: dict[str, Any], **how: Any) -> dict[str, Any]:
    """The result of a task that changes something the first time, as previewed, and nothing the second time."""
    preview = site.run(check=True, **how).done(module, task)
    result = site.run(**how).done(module, task)
    assert result["changed"]
    assert preview["changed"]
    assert ops(preview) == ops(result)
    for key in preview.keys() - {"plan", "warnings", "diff"}:
        wrong = differences(preview[key], result.get(key), key)
        assert not wrong, f"the preview did not come true: {wrong}"
    site.forget()
    again = site.run(**how).done(module, task)
    assert not again["changed"], again["plan"]["steps"]
    assert site.writes == []
    return result
