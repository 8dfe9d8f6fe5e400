# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`pct` for the lab: hands its command line to the lab of STEWARD_LAB_DIR and does what the answer says."""

from __future__ import annotations

import base64
import http.client
import json
import os
import re
import ssl
import sys
from pathlib import Path
from typing import Any


def main(argv: list[str]) -> int:
    lab = json.loads((Path(os.environ["STEWARD_LAB_DIR"]) / "lab.json").read_text(encoding="utf-8"))
    wanted: dict[str, Any] = {"argv": argv, "node": os.environ.get("STEWARD_LAB_NODE")}
    if argv[:1] == ["push"] and len(argv) > 2:
        wanted["file"] = read(argv[2])
    if argv[:1] == ["exec"] and reads_stdin(argv):
        wanted["stdin"] = encode(sys.stdin.buffer.read())
    result = ask(lab, wanted)
    if result["pulled"] is not None:
        Path(argv[3]).write_bytes(base64.b64decode(result["pulled"]))
    sys.stdout.write(result["stdout"])
    sys.stderr.write(result["stderr"])
    return int(result["rc"])


def read(path: str) -> str | None:
    """A file to push; the lab says that it is missing, as the real command would."""
    source = Path(path)
    return encode(source.read_bytes()) if source.is_file() else None


def encode(content: bytes) -> str:
    return base64.b64encode(content).decode()


def reads_stdin(argv: list[str]) -> bool:
    """Whether the command takes what is piped to it. Any other must not wait for the end of a pipe."""
    return any(re.search(r"^cat$|\bcat *>", word) for word in argv) and argv[-2:-1] != ["cat"]


def ask(lab: dict[str, Any], wanted: dict[str, Any]) -> dict[str, Any]:
    context = ssl.create_default_context(cafile=lab["ca_path"])
    connection = http.client.HTTPSConnection(lab["host"], lab["port"], context=context)
    connection.request("POST", "/_lab/pct", json.dumps(wanted), {"Content-Type": "application/json"})
    answer: dict[str, Any] = json.load(connection.getresponse())
    return answer


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
