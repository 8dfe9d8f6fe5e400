# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The task log of a node: what it lists, in which order, to whom, and how it is filtered."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.lab import Lab

from .conftest import Client

LOG = "/nodes/pve1/tasks"
GUESTS = {vmid: {"kind": "lxc", "node": "pve1", "config": {"hostname": f"ct{vmid}"}} for vmid in (300, 301, 302)}


@pytest.fixture(scope="module")
def logged() -> Iterator[Lab]:
    """One that ended well, one with a warning, one that failed, one by a token, one that runs."""
    with Lab({"guests": GUESTS}, task_seconds=0.0) as lab:
        root, token = Client(lab), Client(lab, "root_token")
        assert root.power("lxc/300", "start") == "OK"
        lab.fault(method="POST", task_warnings=1)
        assert root.power("lxc/301", "start") == "WARNINGS: 1"
        assert root.power("lxc/999", "start") != "OK"
        assert token.power("lxc/302", "start") == "OK"
        lab.fault(method="POST", task_seconds=3600)
        root.data("POST", "/nodes/pve1/lxc/300/status/shutdown")
        yield lab


def listed(client: Client, **params: Any) -> list[str]:
    """The guests of the tasks, `r` before what runs."""
    rows = client.data("GET", LOG, **params)
    return [f"{'r' if row.get('status') == 'RUNNING' else ''}{row['id']}" for row in rows]


@pytest.mark.parametrize(
    ("params", "guests"),
    [
        ({}, ["302", "999", "301", "300"]),
        ({"source": "active"}, ["r300"]),
        ({"source": "all"}, ["r300", "302", "999", "301", "300"]),
        ({"source": "all", "start": 1, "limit": 2}, ["302", "999"]),
        ({"limit": 0}, []),
        ({"errors": 1}, ["999", "301"]),
        ({"errors": 1, "source": "all"}, ["r300", "999", "301"]),
        ({"statusfilter": "ok"}, ["302", "300"]),
        ({"statusfilter": "Warning,error"}, ["999", "301"]),
        ({"statusfilter": "unknown", "source": "all"}, ["r300"]),
        ({"errors": 1, "statusfilter": "ok"}, ["999", "301"]),
        ({"vmid": 301}, ["301"]),
        ({"typefilter": "vzstart"}, ["302", "999", "301", "300"]),
        ({"typefilter": "vz"}, []),
        ({"userfilter": "ROOT"}, ["302", "999", "301", "300"]),
        ({"userfilter": "alice"}, []),
        ({"since": 4_000_000_000}, []),
        ({"until": 1_000_000_000}, []),
    ],
)
def test_lists(logged: Lab, params: dict[str, Any], guests: list[str]) -> None:
    assert listed(Client(logged), **params) == guests


def test_the_total_is_of_what_the_filters_leave(logged: Lab) -> None:
    client = Client(logged)
    assert client.call("GET", LOG, limit=1, errors=1).json()["total"] == 2
    assert "total" not in client.call("GET", LOG, vmid=12345).json()


def test_since_and_until_mean_the_beginning(logged: Lab) -> None:
    client = Client(logged)
    began = {row["starttime"] for row in client.data("GET", LOG)}
    assert len(listed(client, since=min(began), until=max(began))) == 4


def test_who_sees_what(logged: Lab) -> None:
    """A token sees its own tasks; Sys.Audit on the node shows everybody's."""
    assert listed(Client(logged, "auditor")) == ["302", "999", "301", "300"]
    assert listed(Client(logged, "nothing")) == []


def test_an_unknown_state_is_refused(logged: Lab) -> None:
    assert "invalid status 'fine'" in Client(logged).refusal("GET", LOG, statusfilter="fine")
