# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a connection does in a guest is allowed first, recorded second and done third."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleError
from ansible_collections.steward.proxmox.plugins.module_utils._plan import HIDDEN
from ansible_collections.steward.proxmox.plugins.plugin_utils import _run_state
from ansible_collections.steward.proxmox.plugins.plugin_utils._exec import undo_point
from ansible_collections.steward.proxmox.plugins.plugin_utils._exec.guard import Going, Guard
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger import fingerprint, verify
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger import run as ledger_run
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.changes import changes
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.files import FileStore

from tests.lab import Lab

SECRET = "mysql -p'hunter2'"


class Lost(Exception):
    """The link was lost."""


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The ledger of the current run."""
    run = ledger_run.RunLedger.begin(FileStore(tmp_path / "ledger"))
    monkeypatch.setattr(ledger_run, "current", lambda: run)
    return tmp_path / "ledger"


@pytest.fixture(autouse=True)
def everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEWARD_EXEC_PCT", "*")
    monkeypatch.setenv("STEWARD_EXEC_QGA", "101")


def guard(**more: Any) -> Guard:
    named = {"how": "pct", "vmid": 101, "host": "web", "endpoint": ["pve1"], "identity": "root@pam"}
    return Guard(**{**named, **more})


def frames(ledger: Path) -> list[dict[str, Any]]:
    (run,) = (ledger / "runs").iterdir()
    found = [json.loads(line[65:]) for line in run.read_text().splitlines()]
    return [frame for frame in found if frame["type"] in ("intent", "outcome")]


def test_a_command_is_an_intent_and_an_outcome(ledger: Path) -> None:
    with guard().recorded("exec", SECRET) as going:
        (intent,) = frames(ledger)  # before it runs
        going.began, going.exit_status = True, 3
    _intent, outcome = frames(ledger)
    assert (intent["host"], intent["endpoint"], intent["identity"]) == ("web", ["pve1"], "root@pam")
    assert intent["task"]["action"] == "steward.proxmox.pct"
    (step,) = intent["plan"]["steps"]
    assert (step["op"], step["target"], step["path"]) == ("exec", "lxc/101", "pct exec")
    assert step["data"] == {"vmid": 101, "command": HIDDEN}
    assert intent["plan"]["risk"]["level"] == "medium"
    assert intent["plan"]["undo"]["possible"] is False
    assert (outcome["status"], outcome["steps"][0]["exit_status"]) == ("ok", 3)
    assert "hunter2" not in "".join(path.read_text() for path in (ledger / "runs").iterdir())


def test_the_command_itself_only_on_request(ledger: Path) -> None:
    with guard(tell_command=True).recorded("exec", SECRET) as going:
        going.began = True
    assert frames(ledger)[0]["plan"]["steps"][0]["data"]["command"] == SECRET


def test_a_keyed_fingerprint_tells_commands_apart(ledger: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fingerprint, "_key", bytes(32))
    for command, stdin in ((SECRET, None), (SECRET, None), (SECRET, b"\xff"), ("id", None)):
        with guard().recorded("exec", command, stdin):
            pass
    told = [frame["fingerprints"] for frame in frames(ledger) if frame["type"] == "intent"]
    assert told[0] == told[1]
    assert told[0]["command"].startswith("hmac-sha256:")
    assert told[2] == {"command": told[0]["command"], "stdin": told[2]["stdin"]}
    assert told[3]["command"] != told[0]["command"]


@pytest.mark.parametrize(
    ("what", "began", "status", "changed"),
    [
        ("exec", True, "unknown", True),
        ("exec", False, "failed", False),
        ("put", True, "unknown", True),
        ("fetch", True, "failed", False),
    ],
)
def test_an_end_that_nobody_saw_is_unknown(ledger: Path, what: Any, began: bool, status: str, changed: bool) -> None:
    def reach(going: Going) -> None:
        going.began = began
        raise Lost("gone")

    with pytest.raises(Lost), guard().recorded(what, "/etc/hosts") as going:
        reach(going)
    outcome = frames(ledger)[1]
    assert (outcome["status"], outcome["changed"], outcome["error"]) == (status, changed, "gone")


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_who_is_interrupted_does_not_know_either(ledger: Path, error: type[BaseException]) -> None:
    with pytest.raises(error), guard().recorded("exec", "id"):
        raise error
    assert frames(ledger)[1]["status"] == "unknown"


def test_of_a_file_the_paths_and_the_size_are_told(ledger: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And a fingerprint of what is in it, where there is a key: four digits are soon found by their checksum."""
    for key in (b"", bytes(32)):
        monkeypatch.setattr(fingerprint, "_key", key)
        with guard().recorded("put", "pin -> /etc/pin") as going:
            going.size, going.sha256 = 4, "03ac674216f3e15c"
    plain, intent, outcome = frames(ledger)[1:]
    assert intent["plan"]["steps"][0]["data"] == {"vmid": 101, "file": "pin -> /etc/pin"}
    assert plain["steps"] == [{"op": "put", "target": "lxc/101", "status": "done", "size": 4}]
    assert (plain["fingerprints"], list(outcome["fingerprints"])) == ({}, ["content"])
    assert "03ac674216f3e15c" not in json.dumps(frames(ledger))


def test_a_command_is_among_the_changes(ledger: Path) -> None:
    with guard(how="qga").recorded("put", "motd -> /etc/motd") as going:
        going.began = True
    (change,) = changes(verify.source(ledger), {"vmid": 101})
    row = change.row()
    assert (row["action"], row["summary"], row["outcome"]) == (
        "steward.proxmox.qga",
        "write a file in qemu/101",
        "ok",
    )


def test_a_ledger_that_cannot_be_written_stops_the_command(ledger: Path) -> None:
    (run,) = (ledger / "runs").iterdir()
    run.unlink()
    run.mkdir()
    ran = []
    with (
        pytest.raises(AnsibleError, match="not be recorded, so nothing was run in lxc/101"),
        guard().recorded("exec", "id"),
    ):
        ran.append("id")
    assert ran == []


def test_without_a_ledger_nothing_is_recorded_where_none_is_required(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_run, "current", lambda: None)
    guard().admit()
    with guard().recorded("exec", "id") as going:
        going.exit_status = 0
    monkeypatch.setattr(ledger_run, "required", lambda: True)
    with pytest.raises(AnsibleError, match="A ledger is required and none is open, so nothing was run in lxc/101"):
        guard().admit()


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"vmid": 99}, "vmid"),
        ({"how": "qga", "vmid": 102}, r"102 is not among .*STEWARD_EXEC_PCT, STEWARD_EXEC_QGA"),
    ],
)
def test_what_is_not_allowed_ends_the_task(more: dict[str, Any], says: str) -> None:
    with pytest.raises(AnsibleError, match=says):
        guard(**more).admit()


# -- the way back ------------------------------------------------------------------------------------------------------


@pytest.fixture
def lab() -> Iterator[Lab]:
    guest = {
        "kind": "lxc",
        "node": "pve1",
        "config": {"hostname": "web", "rootfs": "local-zfs:subvol-101-disk-0,size=4G"},
    }
    with Lab({"guests": {101: guest}}) as lab:
        yield lab


@pytest.fixture
def api(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setattr(_run_state, "_DIRECTORY", tmp_path / "run")
    return {"api_host": ["127.0.0.1"], "api_port": lab.port, "ca_path": str(lab.ca_path), **lab.credentials["admin"]}


def snapshots(lab: Lab) -> list[str]:
    return [entry["path"] for entry in lab.writes if entry["path"].endswith("/snapshot")]


@pytest.mark.parametrize("mode", ["risky", "always"])
def test_a_snapshot_is_taken_once_in_a_run(lab: Lab, api: dict[str, Any], ledger: Path, mode: str) -> None:
    for _attempt in range(2):
        guard().admit(mode, api)
    assert snapshots(lab) == ["/nodes/pve1/lxc/101/snapshot"]
    intent, outcome = frames(ledger)
    assert intent["plan"]["steps"][0]["data"]["snapname"] == undo_point.NAME
    assert intent["plan"]["undo"]["possible"] is True
    assert (outcome["status"], len(outcome["upids"])) == ("ok", 1)


def test_a_policy_asks_for_it_too(lab: Lab, api: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEWARD_SNAPSHOT_BEFORE", "risky")
    guard().admit("never", api)
    assert snapshots(lab) == ["/nodes/pve1/lxc/101/snapshot"]


def test_without_its_snapshot_nothing_is_run(lab: Lab, api: dict[str, Any], ledger: Path) -> None:
    lab.fault(method="POST", path="/lxc/101/snapshot", task_exit="snapshot feature is not available")
    for _attempt in range(2):  # whoever comes next does not take it for done
        with pytest.raises(
            AnsibleError, match=r"Nothing was run in lxc/101: snapshot_before is always \(the conn.*not be"
        ):
            guard().admit("always", api)
        lab.fault(method="POST", path="/lxc/101/snapshot", status=500)
    assert [frame["status"] for frame in frames(ledger) if frame["type"] == "outcome"] == ["failed", "failed"]


def test_who_cannot_reach_the_api_is_told(api: dict[str, Any]) -> None:
    with pytest.raises(AnsibleError, match=r"Nothing was run in lxc/101: .*api_host is not set"):
        guard().admit("always", {})


def test_a_guest_that_is_not_open_is_not_even_looked_at(lab: Lab, api: dict[str, Any]) -> None:
    before = len(lab.requests)
    with pytest.raises(AnsibleError, match="102 is not among"):
        guard(how="qga", vmid=102).admit("always", api)
    assert len(lab.requests) == before
