# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Words of a POSIX shell that both ways into guests say. Pure."""

from __future__ import annotations

from shlex import quote


def regular(path: str) -> str:
    """Go on only with a file whose end can be read: a device may have none, and would be read for ever."""
    name = quote(path)
    return f"[ -f {name} ] || {{ ls -d -- {name} >/dev/null && echo 'it is no regular file' >&2; exit 1; }}; "
