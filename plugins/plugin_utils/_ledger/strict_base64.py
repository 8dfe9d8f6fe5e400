# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Base64 of which each value has exactly one form: what is signed or hashed must not have two."""

import base64


def encode(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def decode(text: str, length: int | None = None) -> bytes:
    """Raises ValueError where the text is not what encode() makes of some bytes, or of ``length`` bytes."""
    data = base64.b64decode(text, validate=True)
    if encode(data) != text or (length is not None and len(data) != length):
        raise ValueError(f"this is not the base64 of {length or 'some'} bytes: {text[:80]!r}")
    return data
