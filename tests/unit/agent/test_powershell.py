# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Windows: the exact requests, for there is no Windows here. What PowerShell makes of them is not tested."""

from __future__ import annotations

import base64
import hashlib
import io
import shlex
from collections.abc import Callable
from typing import Any

import pytest
from ansible.plugins.loader import get_shell_plugin
from ansible_collections.steward.proxmox.plugins.plugin_utils._agent import api, exec, files, powershell

FOLDER = "C:\\WINDOWS\\TEMP\\steward.0123456789abcdef0123456789abcdef"
AGENT = "/nodes/pve1/qemu/201/agent"
POWERSHELL = ["powershell.exe", "-NoProfile", "-NonInteractive", "-ExecutionPolicy", "Unrestricted", "-EncodedCommand"]


class Machine:
    """Keeps what it is asked. `says` is what a script writes to stdout."""

    identity = "ansible@pve!guests"

    def __init__(self, says: Callable[[str], str]) -> None:
        self.says, self.sent, self.files = says, [], {}  # type: ignore[var-annotated]
        self.output = ""

    def get(self, path: str, **params: Any) -> Any:
        if path == "/cluster/resources":
            return [{"vmid": 201, "type": "qemu", "node": "pve1"}]
        assert path == f"{AGENT}/exec-status"
        return {"exited": 1, "exitcode": 0, "out-data": self.output}

    def send(self, method: str, path: str, data: dict[str, Any]) -> Any:
        assert method == "POST"
        if path == f"{AGENT}/file-write":
            assert data["encode"] is False
            self.files[data["file"]] = base64.b64decode(data["content"])
            return None
        assert path == f"{AGENT}/exec"
        argv = shlex.split(data["command"])
        self.sent.append((argv, data.get("input-data")))
        self.output = self.says(decoded(argv))
        return {"pid": 7}


def decoded(argv: list[str]) -> str:
    """The script of a command line."""
    if argv[:-1] == POWERSHELL:
        return base64.b64decode(argv[-1]).decode("utf-16-le")
    return argv[-1]


def agent(machine: Machine) -> api.Agent:
    return api.Agent(machine, 201, 0)  # type: ignore[arg-type]


def by_words(**answers: str) -> Callable[[str], str]:
    return lambda script: next((says for word, says in answers.items() if word in script), "")


@pytest.mark.parametrize("form", ["PowerShell {0} {1}", "powershell {0} '{1}'"], ids=["core 2.19", "core 2.21"])
def test_what_ansible_encoded_is_not_encoded_again(form: str) -> None:
    once = base64.b64encode("$input".encode("utf-16-le")).decode()
    assert powershell.command(form.format(" ".join(POWERSHELL[1:]), once)) == [*POWERSHELL, once]
    line = get_shell_plugin("powershell").build_module_command("", "#!powershell", "")
    argv = powershell.command(line)
    assert argv[:-1] == POWERSHELL
    assert argv[-1] in line


def test_anything_else_is_a_script_of_powershell() -> None:
    machine = Machine(by_words())
    files.execute(agent(machine), powershell, "Get-Item 'C:\\Ärger'", b"a line\r\n", 0)
    ((argv, stdin),) = machine.sent
    assert argv[:-1] == POWERSHELL
    assert (decoded(argv), stdin) == ("Get-Item 'C:\\Ärger'", "a line\r\n")


def test_a_module_is_put_into_a_folder_of_its_own_and_read_by_cmd() -> None:
    line = get_shell_plugin("powershell").build_module_command("", "#!powershell", "")
    payload = bytes(range(256)) * 400
    machine = Machine(by_words(NewGuid=f"{FOLDER}\r\n"))
    files.execute(agent(machine), powershell, line, payload, 0)
    assert "".join(name.removeprefix(FOLDER) for name in machine.files) == "\\p00000000\\p00000001\\p00000002"
    assert b"".join(machine.files.values()) == payload
    make, read, remove = (argv for argv, _stdin in machine.sent)
    assert "icacls.exe $d /inheritance:r /grant:r '*S-1-5-18:(OI)(CI)F' '*S-1-5-32-544:(OI)(CI)F'" in decoded(make)
    assert read[:3] == ["cmd.exe", "/d", "/c"]
    joins, runs = read[3].split("& ", 2)[0], read[3].split("exit 1))& ")[1]
    assert joins.startswith("(powershell.exe -NoProfile")
    assert runs == f"{' '.join(powershell.command(line))} <{FOLDER}\\in"
    assert len(" ".join(read)) < 8191  # of which cmd.exe takes no more
    assert decoded(remove) == f"Remove-Item -LiteralPath '{FOLDER}' -Recurse -Force"


def test_a_file_is_put_measured_and_compared() -> None:
    data = b"\xff" * 45001
    digest = hashlib.sha256(data).hexdigest()
    machine = Machine(by_words(NewGuid=f"{FOLDER}\r\n", **{"Get-FileHash": f"45001\r\n{digest}\r\n"}))
    files.put(agent(machine), powershell, io.BytesIO(data), "C:\\Users\\O'Brien\\a file", 0)
    assert {name: len(piece) for name, piece in machine.files.items()} == {
        f"{FOLDER}\\p00000000": 45000,
        f"{FOLDER}\\p00000001": 1,
    }
    put = decoded(machine.sent[1][0])
    assert put.startswith(f"$ErrorActionPreference = 'Stop'; $ProgressPreference = 'SilentlyContinue'; $d = '{FOLDER}'")
    assert "$f = 'C:\\Users\\O''Brien\\a file'" in put
    assert "Sort-Object Name" in put
    assert len(machine.sent) == 3
    machine.says = by_words(NewGuid=f"{FOLDER}\r\n", **{"Get-FileHash": "45001\r\n0000\r\n"})
    with pytest.raises(exec.CommandFailed, match="is not what was sent"):
        files.put(agent(machine), powershell, io.BytesIO(data), "C:\\x", 0)


@pytest.mark.parametrize("path", ["C:\\Users\\Jürgen\\log", "C:\\log"])
def test_a_file_is_fetched_in_parts(path: str) -> None:
    """Through commands, where its name is not ASCII or the API is older."""
    data = bytes(range(256)) * 5000
    digest = hashlib.sha256(data).hexdigest()

    def says(script: str) -> str:
        if "Get-FileHash" in script:
            return f"{len(data)}\r\n{digest}\r\n"
        offset = int(script.split("$o = ")[1].split(";")[0])
        assert "$n = 1048576;" in script
        assert f"$f = '{path}'" in script
        return base64.b64encode(data[offset : offset + 1048576]).decode() + "\r\n"

    machine, target = Machine(says), io.BytesIO()
    there = agent(machine)
    there._whole_files = path.isascii()
    files.fetch(there, powershell, path, target, 0)
    assert target.getvalue() == data
    assert len(machine.sent) == 3


@pytest.mark.parametrize("quote", ["'", "\u2018", "\u2019", "\u201a", "\u201b"])
def test_no_quote_ends_a_path(quote: str) -> None:
    script = decoded(powershell.measure(f"C:\\{quote}; Remove-Item C:\\"))
    assert f"$f = 'C:\\{quote}{quote}; Remove-Item C:\\'; (Get-Item" in script


def test_a_temporary_folder_with_blanks_is_not_used() -> None:
    machine = Machine(by_words(NewGuid="C:\\Users\\A B\\Temp\\steward.1\r\n"))
    with pytest.raises(exec.CommandFailed, match="No private folder could be made"):
        files.put(agent(machine), powershell, io.BytesIO(b"x"), "C:\\x", 0)
    assert not machine.files
