# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How nodes are: services, certificates, disks, pools, updates. A node of the seed says what is unlike this."""

from __future__ import annotations

from typing import Any

from .call import Call, serves
from .errors import Died
from .nodes import BOOTED, NODE, fingerprint

DAY = 86400
# PVE::API2::Services: what a node of today has of the services that are asked for
_RUNNING = {"state": "running", "active-state": "active", "unit-state": "enabled"}
_MISSING = {"state": "dead", "active-state": "inactive", "unit-state": "not-found"}
SERVICES = {
    "chrony": _RUNNING,
    "corosync": _RUNNING,
    "cron": _RUNNING,
    "ksmtuned": _RUNNING,
    "lxcfs": _RUNNING,
    "postfix": {"state": "exited", "active-state": "active", "unit-state": "enabled"},
    "proxmox-firewall": _RUNNING,
    "pve-cluster": _RUNNING,
    "pve-firewall": _RUNNING,
    "pve-ha-crm": _RUNNING,
    "pve-ha-lrm": _RUNNING,
    "pve-lxc-syscalld": _MISSING,
    "pvedaemon": _RUNNING,
    "pvefw-logger": _RUNNING,
    "pveproxy": _RUNNING,
    "pvescheduler": _RUNNING,
    "pvestatd": _RUNNING,
    "qmeventd": _RUNNING,
    "spiceproxy": _RUNNING,
    "sshd": _RUNNING,
    "syslog": _MISSING,
    "systemd-journald": {"state": "running", "active-state": "active", "unit-state": "static"},
    "systemd-timesyncd": _MISSING,
}


def _own(call: Call, key: str) -> Any:
    """What the seed says of the node."""
    return call.state.nodes[call.node].get(key)


@serves("GET", NODE + "/services")
def services(call: Call) -> list[dict[str, Any]]:
    """The unit of the cluster is enabled on every node, and runs only where there is a cluster."""
    alone = {} if call.state.cluster else {"corosync": {"state": "dead", "active-state": "inactive"}}
    own = _own(call, "services") or {}
    return [
        {"service": name, "name": name, "desc": f"{name}.service", **usual, **alone.get(name, {}), **own.get(name, {})}
        for name, usual in SERVICES.items()
    ]


@serves("GET", NODE + "/certificates/info")
def certificates(call: Call) -> list[dict[str, Any]]:
    """The cluster's CA and the node's own, made when the node was installed; `certificate_days` are left of the one."""
    authority = "/CN=Proxmox Virtual Environment/OU=277606bd-c062-4fa5-a073-031aa998f5fc/O=PVE Cluster Manager CA"
    node = f"/OU=PVE Cluster Node/O=Proxmox Virtual Environment/CN={call.node}"
    left = _own(call, "certificate_days")
    names = ["127.0.0.1", "0000:0000:0000:0000:0000:0000:0000:0001", "localhost", call.node]
    own = {"san": names, "public-key-bits": 2048}
    return [
        _certificate("pve-root-ca.pem", authority, authority, 3649, fingerprint("ca")),
        _certificate("pve-ssl.pem", node, authority, 729 if left is None else left, fingerprint(call.node)) | own,
    ]


def _certificate(name: str, subject: str, issuer: str, days: float, mark: str) -> dict[str, Any]:
    return {
        "filename": name,
        "subject": subject,
        "issuer": issuer,
        "notbefore": int(BOOTED - DAY),
        "notafter": int(BOOTED + (days + 1) * DAY),
        "fingerprint": mark,
        "san": [],
        "public-key-type": "rsaEncryption",
        "public-key-bits": 4096,
        "pem": "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
    }


@serves("GET", NODE + "/disks/list")
def disks(call: Call) -> list[dict[str, Any]]:
    """One disk, an NVMe that is new; `disks` of the seed are others."""
    usual = {
        "devpath": "/dev/nvme0n1",
        "type": "nvme",
        "model": "SAMSUNG MZQL2960HCJR",
        "serial": "S64FNE0R000001",
        "vendor": "unknown",
        "wwn": "eui.36344630520000010025384300000001",
        "size": 960197124096,
        "rpm": 0,
        "gpt": 1,
        "used": "ZFS",
        "osdid": -1,
        "osdid-list": None,
        "health": "PASSED",
        "wearout": 100,
    }
    return [{**usual, **disk} for disk in _own(call, "disks") or [{}]]


@serves("GET", NODE + "/disks/zfs")
def pools(call: Call) -> list[dict[str, Any]]:
    """The pool `rpool`; `zfs` of the seed are others, and with `zfs: false` ZFS is not installed."""
    found = _own(call, "zfs")
    if found is False:
        raise Died("zfsutils-linux not installed")
    usual = {"name": "rpool", "size": 944892805120, "alloc": 94489280512, "free": 850403524608, "frag": 3, "dedup": 1.0}
    return [{**usual, "health": "ONLINE", **pool} for pool in found or [{}]]


@serves("GET", NODE + "/apt/update")
def updates(call: Call) -> list[dict[str, Any]]:
    return list(_own(call, "updates") or [])


@serves("GET", "/cluster/ceph/status")
def ceph(call: Call) -> dict[str, Any]:
    """There is none, unless the seed says what its `ceph_health` is."""
    if call.state.ceph_health is None:
        raise Died("binary not installed: /usr/bin/ceph-mon")
    return {"fsid": call.state.uuid(), "health": call.state.ceph_health}
