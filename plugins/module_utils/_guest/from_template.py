# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A container from a template: an OS archive, or the image of an OCI registry that was pulled as one."""

from __future__ import annotations

from .._errors import BadInput
from .files import require_file
from .from_nothing import create
from .newborn import Made, Newborn


def from_template(newborn: Newborn) -> Made:
    """Add the creating step."""
    options, template = newborn.options, newborn.source["template"]
    if not (options.get("rootfs") or {}).get("storage"):
        raise BadInput("rootfs.storage is needed to create a container: the storage for its root file system")
    reads = require_file(newborn.world, newborn.node, template, "vztmpl", "source.template")
    keys = "\n".join(options.get("ssh_public_keys") or [])
    call = {"ostemplate": template, "password": options.get("password"), "ssh-public-keys": keys}
    return create(newborn, options, call, reads)
