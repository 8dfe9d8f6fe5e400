# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""PVE's privileges and its built-in roles."""

from __future__ import annotations

_GUEST_USER = frozenset(
    {
        "VM.Audit",
        "VM.Backup",
        "VM.Config.CDROM",
        "VM.Config.Cloudinit",
        "VM.Console",
        "VM.PowerMgmt",
        "VM.GuestAgent.Audit",
        "VM.GuestAgent.FileRead",
        "VM.GuestAgent.FileSystemMgmt",
        "VM.GuestAgent.FileWrite",
    }
)
_GUEST_ADMIN = _GUEST_USER | {
    "VM.Allocate",
    "VM.Clone",
    "VM.Config.CPU",
    "VM.Config.Disk",
    "VM.Config.HWType",
    "VM.Config.Memory",
    "VM.Config.Network",
    "VM.Config.Options",
    "VM.GuestAgent.Unrestricted",
    "VM.Migrate",
    "VM.Replicate",
    "VM.Snapshot",
    "VM.Snapshot.Rollback",
}
_AUDIT = frozenset(
    {
        "Datastore.Audit",
        "Mapping.Audit",
        "Pool.Audit",
        "SDN.Audit",
        "Sys.Audit",
        "VM.Audit",
        "VM.GuestAgent.Audit",
    }
)
_DATASTORE_USER = frozenset({"Datastore.AllocateSpace", "Datastore.Audit"})
_DATASTORE_ADMIN = _DATASTORE_USER | {"Datastore.Allocate", "Datastore.AllocateTemplate"}
_USER_ADMIN = frozenset({"Group.Allocate", "Realm.AllocateUser", "User.Modify"})
_MAPPING_USER = frozenset({"Mapping.Audit", "Mapping.Use"})
_SDN_USER = frozenset({"SDN.Audit", "SDN.Use"})
_SDN_ADMIN = _SDN_USER | {"SDN.Allocate"}
_POOL_ADMIN = frozenset({"Pool.Allocate", "Pool.Audit"})
_SYS_ADMIN = frozenset({"Sys.Audit", "Sys.Console", "Sys.Syslog"})
_ADMIN = _GUEST_ADMIN | _DATASTORE_ADMIN | _USER_ADMIN | _MAPPING_USER | _SDN_ADMIN | _POOL_ADMIN | _SYS_ADMIN
ALL = _ADMIN | {
    "Mapping.Modify",
    "Permissions.Modify",
    "Realm.Allocate",
    "Sys.AccessNetwork",
    "Sys.Incoming",
    "Sys.Modify",
    "Sys.PowerMgmt",
}

BUILT_IN_ROLES: dict[str, frozenset[str]] = {
    "Administrator": ALL,
    "NoAccess": frozenset(),
    "PVEAdmin": _ADMIN,
    "PVEAuditor": _AUDIT,
    "PVEDatastoreAdmin": _DATASTORE_ADMIN,
    "PVEDatastoreUser": _DATASTORE_USER,
    "PVEMappingAdmin": _MAPPING_USER | {"Mapping.Modify"},
    "PVEMappingUser": _MAPPING_USER,
    "PVEPoolAdmin": _POOL_ADMIN,
    "PVEPoolUser": frozenset({"Pool.Audit"}),
    "PVESDNAdmin": _SDN_ADMIN,
    "PVESDNUser": _SDN_USER,
    "PVESysAdmin": _SYS_ADMIN,
    "PVETemplateUser": frozenset({"VM.Audit", "VM.Clone"}),
    "PVEUserAdmin": _USER_ADMIN,
    "PVEVMAdmin": _GUEST_ADMIN,
    "PVEVMUser": _GUEST_USER,
}
