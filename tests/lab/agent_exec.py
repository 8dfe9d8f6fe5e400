# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Commands that the agent of a machine is asked to run."""

from __future__ import annotations

from typing import Any

from . import agent_inside
from .agent import AGENT, answering
from .call import Call, serves
from .errors import Died


def as_bytes(text: str) -> bytes:
    """What Perl's encode_base64 makes of a parameter: each character is a byte, and none may be more."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        raise Died("Wide character in subroutine entry at /usr/share/perl5/PVE/QemuServer/Agent.pm line 170.") from None


@serves("POST", AGENT + "/exec")
def execute(call: Call) -> dict[str, int]:
    guest = answering(call)
    words, stdin = [str(word) for word in call.params["command"]], call.params.get("input-data")
    call.state.commands.append({"vmid": guest.vmid, "command": words, "stdin": len(stdin or "")})
    return {"pid": agent_inside.of(guest).start(words, None if stdin is None else as_bytes(stdin))}


@serves("GET", AGENT + "/exec-status")
def execute_status(call: Call) -> dict[str, Any]:
    return agent_inside.of(answering(call)).status(int(call.params["pid"]))
