# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A Proxmox VE on loopback that behaves like the real one: for tests, demos and your own CI."""

from __future__ import annotations

from .server import Lab

__all__ = ["Lab"]
