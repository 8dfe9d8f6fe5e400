# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The agent of one machine by way of the lab: where it is, what it says, and answers that are lost."""

from __future__ import annotations

import io
from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils import _errors
from ansible_collections.steward.proxmox.plugins.plugin_utils._agent import api, exec, files, posix

from tests.lab import Lab

from .conftest import VMID, session_of

EXEC = f"/nodes/pve1/qemu/{VMID}/agent/exec"


@pytest.fixture
def agent(lab: Lab) -> api.Agent:
    return api.Agent(session_of(lab), VMID, patience=0.2)


def started(lab: Lab) -> list[list[str]]:
    return [entry["command"] for entry in lab.state.commands]


def test_a_command_is_an_array_whatever_is_in_it(lab: Lab, agent: api.Agent) -> None:
    words = ["echo", "a b", "it's", '"', "$x,y", "\\", "a\nb", "-"]
    assert exec.run(agent, words).stdout == b" ".join(word.encode() for word in words[1:]) + b"\n"
    assert started(lab) == [words]


def test_it_is_found_without_a_node_and_followed_to_another(lab: Lab, agent: api.Agent) -> None:
    exec.run(agent, ["true"])
    lab.state.guests[VMID].node = "pve2"
    pid = agent.start(["true"])
    lab.state.guests[VMID].node = "pve3"
    assert exec.follow(agent, pid).status == 0
    asked = [entry["path"].split("/")[2] for entry in lab.requests if "/agent/" in entry["path"]]
    assert asked == ["pve1", "pve1", "pve1", "pve2", "pve2", "pve3"]
    assert len(started(lab)) == 2


def test_a_process_that_is_forgotten_has_an_unknown_end(lab: Lab, agent: api.Agent) -> None:
    pid = agent.start(["true"])
    lab.state.guests[VMID].processes.clear()  # the agent was restarted
    with pytest.raises(
        _errors.OutcomeUnknown, match=f"How process {pid} in qemu/200 ended is unknown: the agent was restarted"
    ):
        exec.follow(agent, pid)


def test_an_end_whose_answer_is_lost_is_unknown(lab: Lab, agent: api.Agent) -> None:
    lab.fault(method="GET", path="exec-status", drop="after")
    with pytest.raises(_errors.OutcomeUnknown, match="or its answer was lost"):
        exec.run(agent, ["true"])


def test_a_start_that_the_agent_does_not_answer_is_unknown(lab: Lab, agent: api.Agent) -> None:
    lab.fault(
        method="POST", path="agent/exec", status=500, reason="VM 200 qga command 'guest-exec' failed - got timeout"
    )
    with pytest.raises(_errors.OutcomeUnknown, match="Whether the command began in qemu/200 is unknown"):
        exec.run(agent, ["true"])


def test_a_piece_whose_answer_is_lost_is_written_again(lab: Lab, agent: api.Agent) -> None:
    lab.fault(method="POST", path="file-write", drop="after")
    agent.write("/x", b"\xff")
    assert lab.state.guests[VMID].files == {"/x": b"\xff"}


def test_a_start_whose_answer_is_lost_is_not_repeated(lab: Lab, agent: api.Agent) -> None:
    lab.fault(method="POST", path="agent/exec", drop="after")
    with pytest.raises(_errors.OutcomeUnknown):
        exec.run(agent, ["true"])
    assert len(started(lab)) == 1


def test_a_silence_is_waited_for_and_has_an_end(lab: Lab, agent: api.Agent) -> None:
    silent = {"method": "GET", "path": "exec-status", "status": 500, "reason": "QEMU guest agent is not running"}
    lab.fault(**silent)
    assert exec.run(agent, ["true"]).status == 0
    lab.fault(**silent, count=99)
    with pytest.raises(_errors.OutcomeUnknown, match=r"ended is unknown: .*QEMU guest agent is not running"):
        exec.run(agent, ["true"])


def test_what_an_agent_forbids_is_said(lab: Lab, agent: api.Agent) -> None:
    reason = "Agent error: Command guest-exec has been disabled"
    lab.fault(method="POST", path="agent/exec", status=500, reason=reason)
    with pytest.raises(_errors.ApiError, match=r"has been disabled\. The guest's own configuration"):
        exec.run(agent, ["true"])


def test_short_text_is_input_and_nothing_is_written(lab: Lab, agent: api.Agent) -> None:
    for stdin in (b"", b"secret\n", b"x" * api.MOST_INPUT):
        files.execute(agent, posix, "true", stdin, 0)
    assert [entry["stdin"] for entry in lab.state.commands] == [0, 7, api.MOST_INPUT]
    assert not lab.state.guests[VMID].files


@pytest.mark.parametrize("stdin", [b"\xff", b"a\0b", b"x" * (api.MOST_INPUT + 1)], ids=["bytes", "zero", "long"])
def test_other_input_goes_by_a_private_folder(lab: Lab, agent: api.Agent, stdin: bytes) -> None:
    with pytest.raises(exec.CommandFailed, match="No private folder could be made in qemu/200"):
        files.execute(agent, posix, "true", stdin, 0)  # the lab only pretends to run, and says nothing
    assert started(lab) == [posix.make_folder()]


def test_the_folder_is_removed_whatever_happens(lab: Lab, agent: api.Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    made = ["echo", "/tmp/.steward.abc"]
    monkeypatch.setattr(posix, "make_folder", lambda: made)
    lab.fault(method="POST", path="file-write", status=500, reason="Agent error: No space left on device")
    with pytest.raises(_errors.ApiError, match="No space left on device"):
        files.put(agent, posix, io.BytesIO(b"x"), "/root/x", 0)
    assert started(lab) == [made, posix.remove("/tmp/.steward.abc")]


@pytest.mark.parametrize("told", ["/", "/tmp/a b", "/tmp/x;id", "C:\\x", "tmp"])
def test_a_folder_that_is_none_is_not_used(
    lab: Lab, agent: api.Agent, monkeypatch: pytest.MonkeyPatch, told: str
) -> None:
    monkeypatch.setattr(posix, "make_folder", lambda: ["echo", told])
    with pytest.raises(exec.CommandFailed, match="No private folder could be made"):
        files.put(agent, posix, io.BytesIO(b"x"), "/root/x", 0)
    assert len(started(lab)) == 1


@pytest.mark.parametrize("answer", ["", "5", "1 0000 -"])
def test_a_file_that_came_to_be_another_one_is_told(
    agent: api.Agent, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    monkeypatch.setattr(posix, "make_folder", lambda: ["echo", "/tmp/.steward.abc"])
    monkeypatch.setattr(posix, "put", lambda *_unused: ["echo", answer])
    with pytest.raises(exec.CommandFailed, match="/root/x"):
        files.put(agent, posix, io.BytesIO(b"x"), "/root/x", 0)


def test_pieces_fit_into_a_request_and_many_are_joined(
    lab: Lab, agent: api.Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(posix, "make_folder", lambda: ["echo", "/tmp/.steward.abc"])
    monkeypatch.setattr(posix, "put", lambda *_unused: ["echo", "135000"])
    monkeypatch.setattr(files, "_MOST_PIECES", 2)
    files.put(agent, posix, io.BytesIO(bytes(135000)), "/root/x", 0)
    sent = {name: len(data) for name, data in lab.state.guests[VMID].files.items()}
    assert sent == {f"/tmp/.steward.abc/p0000000{number}": 45000 for number in range(3)}
    assert started(lab).count(posix.join("/tmp/.steward.abc")) == 1


def test_a_file_may_grow_while_it_is_read_and_not_shrink(
    lab: Lab, agent: api.Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.state.guests[VMID].files["/log"] = b"grown in between"
    for size, read in ((5, b"grown"), (16, b"grown in between")):
        monkeypatch.setattr(posix, "measure", lambda _path, size=size: ["echo", str(size)])
        target = io.BytesIO()
        files.fetch(agent, posix, "/log", target, 0)
        assert target.getvalue() == read
    monkeypatch.setattr(posix, "measure", lambda _path: ["echo", "17"])
    with pytest.raises(exec.CommandFailed, match="changed while it was read: 16 bytes"):
        files.fetch(agent, posix, "/log", io.BytesIO(), 0)


def test_a_guest_that_forbids_to_read_files_is_read_by_commands(
    lab: Lab, agent: api.Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.fault(path="file-read", status=500, reason="Agent error: Command guest-file-open has been disabled", count=9)
    monkeypatch.setattr(posix, "measure", lambda _path: ["echo", "6"])
    monkeypatch.setattr(posix, "read", lambda *_unused: ["echo", "inside"])
    target = io.BytesIO()
    files.fetch(agent, posix, "/x", target, 0)
    assert target.getvalue() == b"inside"


@pytest.mark.parametrize("data", [b"", b"x", bytes(range(256)) * 5000])
def test_output_is_bytes(data: bytes) -> None:
    assert api.raw(data.decode("latin-1")) == data


def test_output_of_a_server_that_decodes() -> None:
    assert api.raw("\u20ac") == "\u20ac".encode()


def test_a_token_that_may_not_is_told_the_grant(lab: Lab) -> None:
    with pytest.raises(_errors.PermissionDenied) as denied:
        exec.run(api.Agent(session_of(lab, "auditor"), VMID, 0), ["true"])
    assert "VM.GuestAgent.Unrestricted" in denied.value.hint
    assert "pveum acl modify '/vms/200'" in denied.value.hint


def test_truncation_is_told_also_where_only_the_key_tells_it() -> None:
    class Silent(api.Agent):
        def status(self, pid: int) -> dict[str, Any]:
            return {"exited": 1, "exitcode": 0, "err-data": "x" * (16 << 20), "err-truncated": 0}

    with pytest.raises(exec.CommandFailed, match="wrote more to stderr than the 16 MiB"):
        exec.follow(Silent.__new__(Silent), 1)
