# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What only a real agent shows: qemu-ga on this machine, behind the lab's API."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils import _errors
from ansible_collections.steward.proxmox.plugins.plugin_utils._agent import api, exec, files, posix

from tests.lab import Lab, real_agent

from .conftest import VMID, session_of

pytestmark = pytest.mark.skipif(not real_agent.is_there(), reason="there is no qemu-ga here (qemu-guest-agent)")


@pytest.fixture
def agent(lab: Lab) -> api.Agent:
    return api.Agent(session_of(lab), VMID, patience=0.2)


def test_an_agent_that_is_restarted_knows_no_process_of_before(lab: Lab, agent: api.Agent, tmp_path: Path) -> None:
    guest = lab.state.guests[VMID]
    with real_agent.listening(str(tmp_path / "one"), tmp_path / "one") as guest.agent_socket:
        pid = agent.start(["/bin/sleep", "0.1"])
    with pytest.raises(_errors.OutcomeUnknown, match=r"is unknown: .*QEMU guest agent is not running"):
        exec.follow(agent, pid)
    with (
        real_agent.listening(str(tmp_path / "two"), tmp_path / "two") as guest.agent_socket,
        pytest.raises(_errors.OutcomeUnknown, match="is unknown: the agent was restarted, or its answer was lost"),
    ):
        exec.follow(agent, pid)


def test_what_it_writes_is_open_to_all_and_so_in_a_folder_that_is_not(
    lab: Lab, agent: api.Agent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look at the pieces before they are put together."""
    monkeypatch.setattr(posix, "put", lambda folder, _path: posix.script(f"ls -lR {folder}"))
    with (
        real_agent.listening(str(tmp_path / "agent"), tmp_path / "agent") as lab.state.guests[VMID].agent_socket,
        pytest.raises(exec.CommandFailed) as failed,
    ):
        files.put(agent, posix, io.BytesIO(b"x"), "/nowhere", 0)
    assert "-rw-rw-rw- " in failed.value.message
    monkeypatch.setattr(posix, "put", lambda folder, _path: posix.script(f"ls -ld {folder}"))
    with (
        real_agent.listening(str(tmp_path / "next"), tmp_path / "next") as lab.state.guests[VMID].agent_socket,
        pytest.raises(exec.CommandFailed, match="drwx------ "),
    ):
        files.put(agent, posix, io.BytesIO(b"x"), "/nowhere", 0)


def test_a_program_that_is_not_there(lab: Lab, agent: api.Agent, tmp_path: Path) -> None:
    with (
        real_agent.listening(str(tmp_path / "agent"), tmp_path / "agent") as lab.state.guests[VMID].agent_socket,
        pytest.raises(
            _errors.NotFound, match=r"Failed to execute child process .* Windows guests need ansible_shell_type"
        ),
    ):
        exec.run(agent, ["/nowhere/powershell.exe"])
