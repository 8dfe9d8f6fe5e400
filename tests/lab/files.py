# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a lab leaves in its directory for others: lab.json, lab.env, and a `pct` that needs no environment."""

from __future__ import annotations

import json
import os
import shlex
import sys
from pathlib import Path
from typing import Any

PCT = Path(__file__).resolve().with_name("pct_client.py")


def write_private(path: Path, text: str, mode: int = 0o600) -> None:
    """Readers see the whole file or none, and nobody else reads it."""
    part = path.with_name(f".{path.name}.part")
    part.unlink(missing_ok=True)
    part.touch(mode=mode)
    part.write_text(text, encoding="utf-8")
    part.replace(path)


def write_pct(directory: Path) -> Path:
    target = directory / "bin" / "pct"
    target.parent.mkdir(exist_ok=True)
    command = f'exec {shlex.quote(sys.executable)} {shlex.quote(str(PCT))} "$@"'
    write_private(target, f"#!/bin/sh\nSTEWARD_LAB_DIR={shlex.quote(str(directory))} {command}\n", 0o700)
    return target


def write_description(directory: Path, description: dict[str, Any]) -> None:
    write_private(directory / "lab.json", json.dumps({**description, "pid": os.getpid()}, indent=2) + "\n")


def write_environment(directory: Path, description: dict[str, Any]) -> None:
    """What a shell sources to work with the lab as its administrator."""
    admin = description["credentials"].get("admin", {})
    values = {
        "PROXMOX_HOST": description["host"],
        "PROXMOX_PORT": str(description["port"]),
        "PROXMOX_USER": admin.get("api_user"),
        "PROXMOX_TOKEN_ID": admin.get("api_token_id"),
        "PROXMOX_TOKEN_SECRET": admin.get("api_token_secret"),
        "PROXMOX_CA_PATH": description["ca_path"],
    }
    lines = [f"export {name}={shlex.quote(value)}\n" for name, value in values.items() if value]
    write_private(directory / "lab.env", "".join(lines))


def read_description(directory: Path) -> dict[str, Any] | None:
    file = directory / "lab.json"
    if not file.is_file():
        return None
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found
