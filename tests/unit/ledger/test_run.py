# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ledger of the current run, between the callback's process and the workers forked from it."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from ansible import constants
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger import actor, keys, note, run, verify
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.note import Checkpoint


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("STEWARD_LEDGER_REQUIRED", raising=False)
    monkeypatch.delenv("STEWARD_POLICY", raising=False)
    monkeypatch.setattr(constants, "CONFIG_FILE", None)
    yield
    run.require(False)
    run.close()


@pytest.fixture
def opened(ledger: Path) -> run.RunLedger:
    return run.open_run({"path": str(ledger)}, actor={"user": "alice"})


def in_worker(work: Callable[[], object]) -> None:
    """Fork as Ansible does, and wait."""
    child = os.fork()
    if not child:
        try:
            work()
        finally:
            os._exit(0)
    os.waitpid(child, 0)


def test_a_run_from_its_start_to_its_end(opened: run.RunLedger) -> None:
    assert run.current() is opened
    opened.plan(host="pve1", plan={"summary": "x"})
    op_id = opened.intent(host="pve1", plan={"summary": "x"})
    opened.outcome(op_id, status="failed", error="no", changed=False, upids=[])
    opened.refused(host="pve1", reasons=["policy"])
    closed = opened.close()
    assert closed.counts == {"run_open": 1, "plan": 1, "intent": 1, "outcome_failed": 1, "refused": 1}
    report = verify.verify(verify.source(opened.ledger), closed.head)
    assert (report.verdict, report.records) == ("intact", closed.records)


def test_what_is_open_at_the_end_is_named(opened: run.RunLedger) -> None:
    op_id = opened.intent(host="pve1", plan={"summary": "x"})
    assert list(opened.close().pending) == [op_id]
    report = verify.verify(verify.source(opened.ledger))
    assert (report.verdict, [change.op_id for change in report.dangling]) == ("incomplete", [op_id])


def test_a_failure_in_a_worker_is_seen_by_all_and_stops_every_further_intent(opened: run.RunLedger) -> None:
    Path(opened.where).rename(opened.where + ".gone")
    in_worker(lambda: opened.intent(host="pve1"))
    Path(opened.where + ".gone").rename(opened.where)
    assert "No such file" in opened.broken
    with pytest.raises(run.LedgerError, match="recording failed earlier"):
        opened.intent(host="pve1")
    opened.refused(host="pve1")
    opened.close()
    report = verify.verify(verify.source(opened.ledger))
    assert report.verdict == "incomplete"
    assert "recording failed in this run: cannot write the ledger" in report.problems[0].reason


def test_an_error_that_nobody_thought_of_breaks_the_ledger_too(
    opened: run.RunLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    def surprise(*_unused: object, **__: object) -> str:
        raise MemoryError("surprise")

    monkeypatch.setattr(opened._chain, "append", surprise)
    with pytest.raises(run.LedgerError, match="surprise"):
        opened.intent(host="pve1")
    assert "surprise" in opened.broken


def test_a_long_or_odd_reason_fits_a_page() -> None:
    page = run.Page()
    page.write("é\udc80" * 10_000)
    assert page.text.startswith("é?é?")
    page.write("short")
    assert page.text == "short"


def test_the_first_reason_is_the_one_that_is_told(opened: run.RunLedger, monkeypatch: pytest.MonkeyPatch) -> None:
    for reason in ("first", "second"):
        monkeypatch.setattr(opened._chain, "append", Mock(side_effect=run.LedgerError(reason)))
        with pytest.raises(run.LedgerError, match=reason):
            opened.refused(host="pve1")
    assert opened.broken == "first"


def test_a_tampered_file_is_not_closed_as_if_it_were_good(opened: run.RunLedger) -> None:
    path = Path(opened.where)
    path.write_bytes(path.read_bytes().replace(b"alice", b"mally"))
    assert opened.close().problem is not None
    assert "record 1" in opened.broken
    assert b"run_close" not in path.read_bytes()


def logged(opened: run.RunLedger) -> list[tuple[str, int]]:
    frames = [json.loads(line[65:]) for line in Path(opened.ledger, "log.jsonl").read_bytes().splitlines()]
    assert {frame["run"] for frame in frames} == {opened.run_id}
    return [(frame["type"], frame["at"]) for frame in frames]


def test_the_opening_is_in_the_log_before_anything_is_intended(opened: run.RunLedger) -> None:
    assert logged(opened) == [("open", 1)]
    assert Checkpoint.parse(opened.checkpoint)[0].size == 1


def test_a_checkpoint_is_due_after_so_many_operations_of_any_process(ledger: Path) -> None:
    opened = run.open_run({"path": str(ledger), "checkpoint_every": 2})

    def change() -> None:
        opened.outcome(opened.intent(host="pve1"), status="ok")

    change()
    assert not opened.checkpoint_if_due()
    in_worker(change)
    assert opened.checkpoint_if_due()
    assert not opened.checkpoint_if_due()
    assert Checkpoint.parse(opened.checkpoint)[0].size == 2
    opened.close()
    assert logged(opened) == [("open", 1), ("checkpoint", 6), ("close", 7)]
    assert verify.verify(verify.source(ledger)).verdict == "intact"


def test_checkpoints_are_signed_and_sent(ledger: Path, tmp_path: Path) -> None:
    vkey = keys.make(tmp_path / "key", "example.com/ledger").vkey
    options = {"path": str(ledger), "key": str(tmp_path / "key"), "sinks": [f"file:{tmp_path / 'witness'}"]}
    opened = run.open_run(options)
    first = opened.checkpoint
    opened.close()
    assert [note.verify(text, vkey) for text in (first, opened.checkpoint)] == [True, True]
    assert list(note.find((tmp_path / "witness").read_text())) == [first, opened.checkpoint]


@pytest.mark.parametrize("required", [False, True])
def test_a_sink_that_takes_nothing(ledger: Path, tmp_path: Path, required: bool) -> None:
    options = {"path": str(ledger), "sinks": [f"file:{tmp_path}/nowhere/x"], "sinks_required": required}
    if required:
        with pytest.raises(run.LedgerError, match=r"did not reach file:.*No such file"):
            run.open_run(options)
        assert run.current() is None
    else:
        assert "did not reach" in run.open_run(options).warnings[0]


def test_a_ledger_that_lost_what_its_witness_saw_is_not_opened(ledger: Path, tmp_path: Path) -> None:
    options = {"path": str(ledger), "sinks": [f"file:{tmp_path / 'witness'}"]}
    run.open_run(options).close()
    log = ledger / "log.jsonl"
    whole = log.read_bytes()
    log.write_bytes(whole.splitlines(keepends=True)[0])
    with pytest.raises(run.LedgerError, match=r"fewer than the 2 entries that file:.*witness has seen"):
        run.open_run(options)
    log.write_bytes(whole.replace(b'"at":1', b'"at":2'))
    with pytest.raises(run.LedgerError, match="its first 2 entries are not those"):
        run.open_run(options)
    log.write_bytes(whole)
    run.open_run(options)
    with pytest.raises(run.LedgerError, match="belongs to another ledger"):
        run.open_run(options | {"path": str(tmp_path / "other")})


def test_in_an_emergency_the_run_is_recorded_elsewhere_and_taken_back_in(
    ledger: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"path": "/dev/null/x", "emergency_path": str(tmp_path / "spool")}
    with pytest.raises(run.LedgerError, match="/dev/null"):
        run.open_run(options)
    monkeypatch.setenv("STEWARD_LEDGER_EMERGENCY", "INC-4711")
    spooled = run.open_run(options)
    assert "EMERGENCY (INC-4711)" in spooled.warnings[0]
    spooled.close()
    back = run.open_run(options | {"path": str(ledger)})
    assert [warning for warning in back.warnings if "was adopted by" in warning]
    back.close()
    source = verify.source(ledger)
    assert verify.verify(source).verdict == "intact"
    opening = json.loads(next(source.lines(spooled.run_id))[65:])
    assert opening["emergency"]["why"] == "INC-4711"
    assert "/dev/null" in opening["emergency"]["error"]


@pytest.mark.parametrize("word", ["1", "true", "YES", "ture", "required"])
def test_required_by_the_environment_unless_it_clearly_says_no(monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    monkeypatch.setenv("STEWARD_LEDGER_REQUIRED", word)
    assert run.required()


@pytest.mark.parametrize("word", ["", "0", "False", "no", " off "])
def test_not_required(monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    monkeypatch.setenv("STEWARD_LEDGER_REQUIRED", word)
    assert not run.required()


def test_required_by_the_configuration_without_the_callback(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    configuration = tmp_path / "ansible.cfg"
    configuration.write_text("[defaults]\nforks = 5 ; 100%\n[steward_ledger]\nrequired = true ; evidence\n")
    monkeypatch.setattr(constants, "CONFIG_FILE", str(configuration))
    assert run.required()
    configuration.write_text("[steward_ledger]\npath = /x\n")
    assert not run.required()


def test_required_by_the_policy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    policy = tmp_path / "policy.yml"
    monkeypatch.setenv("STEWARD_POLICY", str(policy))
    for text, asked in {"version: 1\n": False, "version: 1\nledger: required\n": True, "version: 9\n": True}.items():
        policy.write_text(text)
        assert run.required() is asked, text


def test_required_by_the_callback() -> None:
    run.require(True)
    assert run.required()


def test_the_actor_says_how_it_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    forged = {"awx_user_name": "root", "awx_job_id": 1, "awx_job_launch_type": "manual", "secret": "x"}
    for name in ("STEWARD_ACTOR", "AWX_PRIVATE_DATA_DIR", "JOB_ID", "AWX_HOST"):
        monkeypatch.delenv(name, raising=False)
    assert actor.actor(forged)["source"] == "os"
    assert "awx_job_id" not in actor.actor(forged)
    monkeypatch.setenv("STEWARD_ACTOR", "ci")
    assert (actor.actor({})["source"], actor.actor({})["user"]) == ("env", "ci")
    monkeypatch.setenv("AWX_PRIVATE_DATA_DIR", "/runner")
    monkeypatch.setenv("JOB_ID", "1")
    monkeypatch.setenv("AWX_HOST", "https://awx.example.com")
    assert actor.actor(forged) == {
        "source": "awx",
        "user": "root",
        "uid": os.getuid(),
        "awx_user_name": "root",
        "awx_job_id": 1,
        "awx_job_launch_type": "manual",
        "awx_host": "https://awx.example.com",
    }


NOBODY = {
    "schedule": {"awx_job_launch_type": "scheduled", "awx_schedule_id": 3, "awx_schedule_name": "nightly"},
    "workflow of a schedule": {"awx_job_launch_type": "workflow", "awx_parent_job_schedule_id": 3},
    "workflow of a webhook": {"awx_job_launch_type": "workflow", "awx_webhook_event_type": "push"},
    "webhook": {"awx_job_launch_type": "webhook"},
    "provisioning callback": {"awx_job_launch_type": "callback"},
    "no launch type": {},
}


@pytest.mark.parametrize("launch", NOBODY.values(), ids=NOBODY)
def test_a_survey_does_not_name_the_user_of_a_job_that_nobody_launched(
    launch: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWX_PRIVATE_DATA_DIR", "/runner")
    monkeypatch.setenv("JOB_ID", "1")
    found = actor.actor({"awx_user_name": "root", "awx_user_id": 1, **launch})
    assert (found["source"], found["user"]) == ("awx", None)
    assert not {"awx_user_name", "awx_user_id"} & found.keys()


@pytest.mark.parametrize("launch", ["manual", "relaunch", "workflow"])
def test_the_user_who_launched_a_job_is_known(launch: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWX_PRIVATE_DATA_DIR", "/runner")
    monkeypatch.setenv("JOB_ID", "1")
    assert actor.actor({"awx_user_name": "alice", "awx_job_launch_type": launch})["user"] == "alice"
