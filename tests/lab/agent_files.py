# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files that the agent of a machine is asked to read and write."""

from __future__ import annotations

import base64
from typing import Any

from . import agent_inside
from .agent import AGENT, answering
from .agent_exec import as_bytes
from .call import Call, serves
from .errors import BadParameter
from .schema import UNKNOWN

MOST_READ = 16 << 20
# since 9
NEWER = ("count", "decode", "offset")


@serves("GET", AGENT + "/file-read")
def file_read(call: Call) -> dict[str, Any]:
    guest, name = answering(call), str(call.params["file"])
    if call.state.version.startswith("8.") and any(key in call.sent for key in NEWER):
        raise BadParameter.of({key: UNKNOWN for key in NEWER if key in call.sent})
    offset, count = int(call.params.get("offset", 0)), int(call.params.get("count", MOST_READ))
    parts, ended = agent_inside.of(guest).read(name, offset, count)
    if call.params.get("decode", 1):
        content = b"".join(parts).decode("latin-1")
    else:  # each part has a padding of its own
        content = "".join(base64.b64encode(part).decode() for part in parts)
    return {"content": content, "bytes-read": sum(map(len, parts))} | ({} if ended else {"truncated": 1})


@serves("POST", AGENT + "/file-write")
def file_write(call: Call) -> None:
    guest, name, content = answering(call), str(call.params["file"]), str(call.params["content"])
    encode = call.params.get("encode", 1)
    agent_inside.of(guest).write(name, as_bytes(content) if encode else base64.b64decode(content))
