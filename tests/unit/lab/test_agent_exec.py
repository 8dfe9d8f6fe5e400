# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An agent that really runs commands, by the lab's own means and by a real qemu-ga: the same limits and words."""

from __future__ import annotations

import base64
import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lab import Lab, real_agent

from .conftest import Client

CUT = {"out-truncated": 0, "err-truncated": 0}
REFUSED = "Agent error: JSON parse error, invalid UTF-8 sequence in string"
AGENT = "/nodes/pve1/qemu/100/agent"


@pytest.fixture(params=["runner", "qemu-ga"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Client]:
    """The commands run on this machine, without its environment."""
    base = {"kind": "qemu", "running": True, "agent_seconds": 0, "config": {"agent": "1", "name": "real"}}
    with contextlib.ExitStack() as stack:
        if request.param == "runner":
            means: dict[str, Any] = {"runner": ["/usr/bin/env", "-i"]}
        elif real_agent.is_there():
            folder = tmp_path / "agent"
            means = {"agent_socket": stack.enter_context(real_agent.listening(str(folder), folder))}
        else:
            pytest.skip("there is no qemu-ga here")
        yield Client(stack.enter_context(Lab({"guests": {100: base | means}})))


def run(root: Client, *command: str, **more: Any) -> dict[str, Any]:
    return end(root, root.data("POST", f"{AGENT}/exec", command=list(command), **more)["pid"])


def end(root: Client, pid: int) -> dict[str, Any]:
    while True:
        found: dict[str, Any] = root.data("GET", f"{AGENT}/exec-status", pid=pid)
        if found["exited"]:
            return found
        assert found == {"exited": 0}
        time.sleep(0.01)


def test_input_and_output_are_bytes_as_characters(root: Client) -> None:
    found = run(root, "/bin/sh", "-c", "cat; printf '\\303\\244' >&2; exit 3", **{"input-data": "\xff\x00x"})
    assert found == {"exited": 1, "exitcode": 3, "out-data": "\xff\x00x", "err-data": "\xc3\xa4"} | CUT
    assert [e["params"]["input-data"] for e in root.lab.requests if e["path"].endswith("/exec")] == ["***"]
    refused = root.refusal("POST", f"{AGENT}/exec", command=["cat"], **{"input-data": "\u20ac"})
    assert refused.startswith("Wide character in subroutine entry")


def test_a_command_is_ascii(root: Client) -> None:
    assert root.refusal("POST", f"{AGENT}/exec", command=["echo", "\xe4"]) == REFUSED
    assert "Wide character in syswrite" in root.refusal("POST", f"{AGENT}/exec", command=["echo", "\u20ac"])


def test_a_command_ends_when_nobody_holds_its_output_any_more(root: Client) -> None:
    began = time.monotonic()
    found = run(root, "/bin/sh", "-c", "sleep 0.7 & readlink /proc/self/fd/0; pwd")
    assert found["out-data"] == "/dev/null\n/\n"
    assert time.monotonic() - began > 0.7


def test_a_signal_and_an_end_that_is_told_once(root: Client) -> None:
    pid = root.data("POST", f"{AGENT}/exec", command=["/bin/sh", "-c", "kill -9 $$"])["pid"]
    assert end(root, pid) == {"exited": 1, "signal": 9}
    assert root.refusal("GET", f"{AGENT}/exec-status", pid=pid) == "Agent error: Invalid parameter 'pid'"


def test_what_is_more_than_16_mib_is_cut_and_told(root: Client) -> None:
    found = run(root, "/bin/sh", "-c", "head -c 16777217 /dev/zero | tr '\\0' x")
    assert (len(found["out-data"]), found["out-truncated"]) == (16 << 20, 1)
    assert run(root, "/bin/sh", "-c", "head -c 16777216 /dev/zero | tr '\\0' x")["out-truncated"] == 0


def test_a_new_file_is_open_to_all(root: Client, tmp_path: Path) -> None:
    file = tmp_path / "new"
    root.data("POST", f"{AGENT}/file-write", file=str(file), content=base64.b64encode(b"\x00\xff").decode(), encode=0)
    assert (file.read_bytes(), file.stat().st_mode & 0o777) == (b"\x00\xff", 0o666)
    told = root.refusal("POST", f"{AGENT}/file-write", file=str(tmp_path / "no" / "new"), content="x")
    assert told == f"Agent error: failed to open file '{tmp_path}/no/new' (mode: 'wb'): No such file or directory"


def test_a_part_of_a_file_is_base64_of_one_mebibyte_after_the_other(root: Client, tmp_path: Path) -> None:
    data = bytes(range(256)) * (3 << 12)
    (tmp_path / "file").write_bytes(data)
    asked = {"file": str(tmp_path / "file"), "decode": 0, "offset": 5, "count": (1 << 20) + 4}
    found = root.data("GET", f"{AGENT}/file-read", **asked)
    parts = [data[5 : 5 + (1 << 20)], data[5 + (1 << 20) : 9 + (1 << 20)]]
    assert found["content"] == "".join(base64.b64encode(part).decode() for part in parts)
    assert found["truncated"] == 1
    assert "truncated" not in root.data("GET", f"{AGENT}/file-read", file=str(tmp_path / "file"))


def test_the_limits_of_a_request(root: Client) -> None:
    told = root.refusal("POST", f"{AGENT}/exec", command=["cat"], **{"input-data": "x" * 65537})
    assert "value may only be 65536 characters long" in told
    told = root.refusal("POST", f"{AGENT}/file-write", file="/nowhere", content="x" * 61441)
    assert "value may only be 61440 characters long" in told


def test_an_older_api_reads_from_the_beginning_only(root: Client) -> None:
    root.lab.app.state.version = "8.4"
    told = root.refusal("GET", f"{AGENT}/file-read", file="/etc/hostname", offset=0, count=5, decode=0)
    assert told.count("property is not defined in schema") == 3
    assert root.data("GET", f"{AGENT}/file-read", file="/etc/hostname")["bytes-read"] > 0
