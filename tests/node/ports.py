# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ports for servers that are yet to be started, or that are stopped for a while."""

from __future__ import annotations

import socket


def reserved(host: str = "127.0.0.1") -> socket.socket:
    """Holds a port on which nobody listens, until it is closed.

    Whoever names the port may listen there, if like most servers it sets SO_REUSEADDR. Whoever asks for any port, to
    listen or to connect from, is given another one: other tests do so all the time.
    """
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind((host, 0))
    return held
