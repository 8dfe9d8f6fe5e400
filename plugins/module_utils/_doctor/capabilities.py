# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the collection can do, and what a credential needs for it: one table. Pure.

A plan tells exactly what its own task needs; this tells beforehand what kinds of tasks can be planned at all.
"""

from __future__ import annotations

from dataclasses import dataclass

from .._privileges import Need

GUESTS, STORAGES, NODES, ZONES = "/vms", "/storage", "/nodes", "/sdn/zones"
#: below these are the objects that a privilege may be held on one by one
SCOPES = (GUESTS, STORAGES, NODES, ZONES)

_SPACE = Need(STORAGES, ("Datastore.AllocateSpace",))
_SETTINGS = ("CPU", "Memory", "Disk", "Network", "Options", "HWType", "CDROM", "Cloudinit")


@dataclass(frozen=True)
class Capability:
    """`for_what`: in the words of people. `root_only`: why no token has it, whatever is granted."""

    name: str
    for_what: str
    needs: tuple[Need, ...] = ()
    root_only: str = ""
    #: before PVE 9 the guest agent had one privilege for all
    before_9: tuple[Need, ...] = ()


def _on_guests(*privileges: str) -> tuple[Need, ...]:
    return tuple(Need(GUESTS, (privilege,)) for privilege in privileges)


CAPABILITIES = (
    Capability("see_guests", "list guests and read their configuration", _on_guests("VM.Audit")),
    Capability(
        "see_storages", "list storages and what is on them", (Need(STORAGES, ("Datastore.Audit", *_SPACE.any_of)),)
    ),
    Capability("see_cluster", "read quorum, HA and backup jobs", (Need("/", ("Sys.Audit",)),)),
    Capability("see_nodes", "diagnose nodes; read everybody's tasks", (Need(NODES, ("Sys.Audit",)),)),
    Capability(
        "create_guests",
        "create and clone guests, and restore backups",
        (*_on_guests("VM.Allocate", "VM.Clone"), _SPACE, Need(ZONES, ("SDN.Use",))),
    ),
    Capability("configure_guests", "change guests", _on_guests(*(f"VM.Config.{name}" for name in _SETTINGS))),
    Capability("start_and_stop", "start, stop, shut down and reset guests", _on_guests("VM.PowerMgmt")),
    Capability("snapshots", "take, roll back and delete snapshots", _on_guests("VM.Snapshot")),
    Capability("backups", "back guests up", (*_on_guests("VM.Backup"), _SPACE)),
    Capability("migrate_guests", "move guests to another node", _on_guests("VM.Migrate")),
    Capability("destroy_guests", "destroy guests", _on_guests("VM.Allocate")),
    Capability(
        "wait_for_agent",
        "wait for guest agents and read the addresses that they tell",
        _on_guests("VM.GuestAgent.Audit"),
        before_9=_on_guests("VM.Monitor"),
    ),
    Capability(
        "run_in_machines",
        "run commands in virtual machines (connection qga)",
        _on_guests("VM.GuestAgent.Unrestricted"),
        before_9=_on_guests("VM.Monitor"),
    ),
    Capability("firewall", "change the cluster's firewall", (Need("/", ("Sys.Modify",)),)),
    Capability("users", "change users and tokens", (Need("/access/groups", ("User.Modify",)),)),
    Capability("roles", "change roles", (Need("/access", ("Sys.Modify",)),)),
    Capability("permissions", "change access control lists", (Need("/", ("Permissions.Modify",)),)),
    Capability(
        "golden_containers",
        "create containers with keyctl",
        root_only="root on the node makes the base (privileged_host); restoring its backup needs create_guests only",
    ),
    Capability(
        "run_in_containers",
        "run commands in containers (connection pct)",
        root_only="pct exec is root's on the node, by SSH; the API has no such call",
    ),
)
NAMES = tuple(capability.name for capability in CAPABILITIES)
