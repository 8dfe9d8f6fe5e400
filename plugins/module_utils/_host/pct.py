# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Operations of `pct`: what a golden base of a container needs. Texts: pve-container 6.1.10. Pure."""

from __future__ import annotations

from .._errors import ApiError
from .command import Outcome
from .operation import Operation, Parameter, flag, unsent

_STORAGE = "[A-Za-z][A-Za-z0-9._-]*[A-Za-z0-9]"
_LABELS = "[A-Za-z0-9][A-Za-z0-9.-]*"
_NUMBER = "[0-9]+"
_DECIMAL = "[0-9]+([.][0-9]+)?"
_WORD = "[A-Za-z0-9(@_][A-Za-z0-9().,:;/@_+=!?-]*"
_NIC = "[a-z][a-z0-9_-]*=[A-Za-z0-9:][A-Za-z0-9.:_-]*(/[0-9]{1,3}|(;[0-9]+(-[0-9]+)?)+)?"
_VMID = Parameter("vmid", "[1-9][0-9]{2,8}")


def config_of(outcome: Outcome) -> dict[str, str]:
    """The lines `key: value` of `pct config`."""
    pairs = [line.partition(": ") for line in outcome.stdout.splitlines() if line.strip()]
    strange = [key for key, colon, _value in pairs if not colon]
    if strange:
        raise ApiError(f"pct config printed a line that is not 'key: value': {strange[0][:200]!r}")
    return {key: value for key, _colon, value in pairs}


ROWS = (
    Operation(
        "pct config",
        "pct",
        ("config", _VMID, unsent("node", "[A-Za-z0-9._-]+")),
        writes=False,
        missing=r"^Configuration file '.*' does not exist",
        answer=config_of,
    ),
    Operation(
        "pct create",
        "pct",
        (
            "create",
            _VMID,
            Parameter("ostemplate", f"{_STORAGE}:vztmpl/[A-Za-z0-9][A-Za-z0-9._+-]*"),
            flag("unprivileged", "1", required=True),
            flag("features", "nesting=1,keyctl=1", required=True),
            flag("rootfs", f"{_STORAGE}:{_DECIMAL}", required=True),
            flag("hostname", _LABELS),
            flag("cores", _NUMBER),
            flag("memory", _NUMBER),
            flag("swap", _NUMBER),
            flag("net[0-9]", f"{_NIC}(,{_NIC})*"),
            flag("nameserver", "[0-9A-Fa-f.:]+( [0-9A-Fa-f.:]+)*"),
            flag("searchdomain", _LABELS),
            flag("tags", "[a-z0-9_][a-z0-9_;+.-]*"),
            flag("ostype", "[a-z]+"),
            flag("arch", "[a-z0-9]+"),
            flag("cpulimit", _DECIMAL),
            flag("cpuunits", _NUMBER),
            flag("timezone", "[A-Za-z][A-Za-z0-9_+/-]*"),
            flag("onboot", "[01]"),
            flag("startup", "([a-z]+=)?[0-9]+(,[a-z]+=[0-9]+)*"),
            flag("description", f"{_WORD}( {_WORD})*"),
        ),
        writes=True,
        timeout=600,
        taken=r"^(VM|CT) \d+ already exists on node '",
        hints=(
            ("already exists on node", "Choose another vmid: a guest of the cluster has this one"),
            (r"^volume '.*:vztmpl/.*' does not exist", "`pveam download` puts a template on a storage of this node"),
            (r"^storage '.*' does not exist", "`pvesm status` lists the storages of this node"),
        ),
        afterwards="pct config",
    ),
)
