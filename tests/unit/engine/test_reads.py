# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What reading needs: the table against the API's own description, and which reads a planner can do without."""

import re

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._blast import Blast
from ansible_collections.steward.proxmox.plugins.module_utils._errors import PermissionDenied
from ansible_collections.steward.proxmox.plugins.module_utils._guest.sight import noting, read_rows
from ansible_collections.steward.proxmox.plugins.module_utils._privileges import Need
from ansible_collections.steward.proxmox.plugins.module_utils._reads import dispensable, needed_by

from tests.lab.schema import endpoint
from tests.unit.engine.fakes import world_of

GUEST = "/nodes/{node}/%s/{vmid}"
BELOW = ("pending", "config", "status/current", "snapshot", "feature", "migrate", "snapshot/{snapname}/config")
OF_GUESTS = [f"{GUEST % kind}/{below}" for kind in ("lxc", "qemu") for below in BELOW]
OF_FIREWALLS = [f"{GUEST % kind}/firewall/{part}" for kind in ("lxc", "qemu") for part in ("rules", "options", "refs")]
TOLD = [
    *OF_GUESTS,
    *OF_FIREWALLS,
    "/nodes/{node}/lxc/{vmid}/interfaces",
    "/nodes/{node}/qemu/{vmid}/agent/info",
    "/nodes/{node}/qemu/{vmid}/agent/network-get-interfaces",
    "/nodes/{node}/storage/{storage}/content",
    "/nodes/{node}/time",
    "/nodes/{node}/status",
    "/pools/{poolid}",
    "/cluster/backup",
    "/cluster/status",
    "/cluster/ha/resources/{sid}",
    "/cluster/ha/rules",
    "/cluster/ha/status/current",
    "/cluster/firewall/aliases",
]
FREE = [
    "/access/acl",
    "/access/permissions",
    "/access/roles",
    "/access/users",
    "/cluster/nextid",
    "/cluster/replication",
    "/cluster/resources",
    "/nodes",
    "/nodes/{node}/lxc",
    "/nodes/{node}/qemu",
    "/nodes/{node}/storage",
    "/nodes/{node}/vzdump/extractconfig",
    "/pools",
    "/storage",
    "/version",
]
VALUES = {"node": "pve1", "vmid": "200", "storage": "local-zfs", "poolid": "web", "snapname": "s1", "sid": "ct:200"}


def filled(template: str) -> str:
    return re.sub(r"\{(\w+)\}", lambda match: VALUES[match[1]], template)


@pytest.mark.parametrize("template", TOLD)
def test_the_table_is_what_the_api_describes(template: str) -> None:
    described = endpoint("GET", template)
    assert described
    assert described.permissions
    kind, where, any_of, *_unused = described.permissions["check"]
    need = needed_by(filled(template))
    assert kind == "perm"
    assert need
    assert (need.path, set(need.any_of)) == (filled(where), set(any_of))


@pytest.mark.parametrize("template", FREE)
def test_whoever_logs_in_may_ask_for_the_rest(template: str) -> None:
    described = endpoint("GET", template)
    assert described
    assert (described.permissions or {}).get("user") == "all"
    assert needed_by(filled(template)) is None


def test_what_is_quoted_in_a_path_is_meant_as_it_is() -> None:
    assert needed_by("/pools/a%20b") == Need("/pool/a b", ("Pool.Audit",))


def test_a_world_remembers_what_it_could_not_do_without() -> None:
    world = world_of({"/nodes/n/lxc/200/config": {}, "/version": {}, "/nodes/n/lxc/201/pending": []})
    world.get("/nodes/n/lxc/200/config")
    world.get("/nodes/n/lxc/200/config")
    world.get("/version")
    world.find("/nodes/n/lxc/202/pending")
    assert world.relied_on == [Need("/vms/200", ("VM.Audit",)), Need("/vms/202", ("VM.Audit",))]


def test_what_a_planner_survives_is_not_needed() -> None:
    refused = PermissionDenied("no")
    world = world_of({"/cluster/backup": refused, "/nodes/n/lxc/200/pending": [], "/cluster/status": refused})
    blast = Blast()
    assert read_rows(world, blast, "backup jobs", "/cluster/backup") == []
    with noting(blast, "the cluster"):
        world.get("/cluster/status")
    assert len(world.get_all(["/nodes/n/lxc/200/pending", "/cluster/status"], 2)) == 2
    assert world.relied_on == []
    world.get("/nodes/n/lxc/200/pending")
    assert world.relied_on == [Need("/vms/200", ("VM.Audit",))]


def test_only_what_is_inside_is_dispensable() -> None:
    world = world_of({"/cluster/status": [], "/cluster/backup": []})
    with dispensable(), dispensable():
        world.get("/cluster/status")
    world.get("/cluster/backup")
    assert world.relied_on == [Need("/", ("Sys.Audit",))]


def test_a_planner_can_say_itself_what_it_relies_on() -> None:
    world = world_of({})
    world.relies_on(None)
    world.relies_on(Need("/vms/*", ("VM.Audit",)))
    assert world.relied_on == [Need("/vms/*", ("VM.Audit",))]
