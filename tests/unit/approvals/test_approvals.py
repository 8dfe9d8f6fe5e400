# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The store of approvals: what an approval is good for, and everything that it is not."""

import json
import multiprocessing
import os
import re
import stat
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._errors import Refused
from ansible_collections.steward.proxmox.plugins.plugin_utils._gate import approvals
from ansible_collections.steward.proxmox.plugins.plugin_utils._gate.approvals import Approvals

fork = multiprocessing.get_context("fork")

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
ASKING = {"token": "0123", "ledger": "aaaa"}
LATER = {"token": "4567", "ledger": "bbbb"}
UNKNOWN = "a0000000000000000"


def record(target: str = "lxc/201", **changes: Any) -> dict[str, Any]:
    """The plan of a task that destroys a guest, as the door describes it."""
    steps: list[dict[str, Any]] = [
        {"op": op, "target": target, "method": "POST", "path": "/", "data": {}} for op in ("stop", "destroy")
    ]
    return {
        "host": "one",
        "task": {"name": "Remove", "uuid": "u", "action": "steward.proxmox.lxc", "path": "play.yml:3"},
        "check_mode": False,
        "endpoint": ["pve1.example.org", "pve2.example.org"],
        "plan": {"summary": f"destroy {target} old on pve1", "digest": f"sha256:{target}", "steps": steps},
        "binding": {"objects": {target: {"cores": 2}}, "symbols": {}},
        "actor": {"source": "os", "user": "alice"},
        "asks": [f"destroy {target}: the guest and its volumes are gone"],
        **changes,
    }


def changed(cores: int = 4) -> dict[str, Any]:
    """The same task, after somebody changed the guest."""
    plan = record()["plan"] | {"digest": f"sha256:{cores} cores"}
    return record(plan=plan, binding={"objects": {"lxc/201": {"cores": cores}}, "symbols": {}})


class Clock:
    """The time as the store sees it; what is written gets this time, too."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = NOON
        monkeypatch.setattr(approvals, "_now", lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Approvals:
    return Approvals(tmp_path / "share" / "approvals", valid_for=8 * 3600)


def asked(store: Approvals, **changes: Any) -> str:
    return str(store.ask(record(**changes), ASKING)["id"])


def refusal(store: Approvals, ids: list[str], plan: dict[str, Any], run: dict[str, str] | None = None) -> str:
    with pytest.raises(Refused) as refused:
        store.use(ids, plan, run or LATER)
    assert "Nothing was sent" in str(refused.value)
    return str(refused.value)


def request_file(store: Approvals, approval: str) -> Path:
    return store.directory / "requests" / f"{approval}.json"


# -- what it is good for


def test_a_later_run_uses_what_an_earlier_one_asked_for(store: Approvals, clock: Clock) -> None:
    request = store.ask(record(), ASKING)
    assert re.fullmatch("a[0-9a-f]{16}", request["id"])
    assert request["expires"] == "2026-03-01T20:00:00Z"
    clock.now += HOUR
    assert store.use([request["id"]], record(), LATER) == {
        "approval": request["id"],
        "asked": {"at": "2026-03-01T12:00:00Z", "actor": {"source": "os", "user": "alice"}, "run": ASKING},
    }


def test_a_request_says_what_an_approver_wants_to_know_and_no_value_of_the_task(store: Approvals) -> None:
    plan = record()
    plan["plan"]["steps"][0]["data"] = {"password": "hunter2"}
    plan["binding"]["objects"]["lxc/201"]["note"] = "hunter2"
    path = request_file(store, store.ask(plan, ASKING)["id"])
    request = json.loads(path.read_text())
    assert request["summary"] == "destroy lxc/201 old on pve1"
    assert request["steps"] == [{"op": "stop", "target": "lxc/201"}, {"op": "destroy", "target": "lxc/201"}]
    assert request["asks"] == ["destroy lxc/201: the guest and its volumes are gone"]
    assert (request["host"], request["task"], request["actor"]["user"]) == ("one", "Remove", "alice")
    assert "hunter2" not in path.read_text()


def test_it_is_private(store: Approvals) -> None:
    approval = asked(store)
    store.use([approval], record(), LATER)
    folders = [store.directory, store.directory / "requests", store.directory / "used"]
    assert [stat.S_IMODE(path.stat().st_mode) for path in folders] == [0o700] * 3
    files = [path for path in store.directory.rglob("*") if path.is_file()]
    assert [stat.S_IMODE(path.stat().st_mode) for path in files] == [0o600] * 2


def test_of_several_approvals_each_task_takes_its_own(store: Approvals) -> None:
    guests = ["lxc/201", "lxc/202", "lxc/203"]
    ids = [store.ask(record(guest), ASKING)["id"] for guest in guests]
    given = [f" {approval}" for approval in reversed(ids)]  # as "a, b, c" is split
    assert [store.use(given, record(guest), LATER)["approval"] for guest in guests] == ids


def test_a_preview_looks_and_uses_nothing(store: Approvals) -> None:
    approval = asked(store)
    preview = record(check_mode=True)
    for _time in range(2):
        assert store.use([approval], preview, LATER)["approval"] == approval
    store.use([approval], record(), LATER)
    assert "was used" in refusal(store, [approval], preview)


def test_another_node_of_the_same_cluster_will_do(store: Approvals) -> None:
    approval = asked(store, endpoint=["pve1.example.org"])
    assert store.use([approval], record(endpoint=["pve2.example.org", "pve1.example.org"]), LATER)


# -- what it is not good for


def test_it_is_good_for_one_use(store: Approvals, clock: Clock) -> None:
    approval = asked(store)
    clock.now += HOUR
    store.use([approval], record(), LATER)
    for run in (LATER, {"token": "89ab", "ledger": ""}):
        text = refusal(store, [approval], record(), run)
        assert f"Approval {approval} was used at 2026-03-01T13:00:00Z by run bbbb" in text


def test_of_many_processes_one_uses_it(store: Approvals) -> None:
    approval = asked(store)
    gate = fork.Barrier(8)
    used, refused = fork.Value("i", 0), fork.Value("i", 0)

    def work(number: int) -> None:
        gate.wait(30)
        try:
            store.use([approval], record(), {"token": str(number), "ledger": ""})
            counter = used
        except Refused:
            counter = refused
        with counter.get_lock():
            counter.value += 1

    children = [fork.Process(target=work, args=(number,)) for number in range(8)]
    for child in children:
        child.start()
    for child in children:
        child.join(300)
    assert [child.exitcode for child in children] == [0] * 8
    assert (used.value, refused.value) == (1, 7)


@pytest.mark.parametrize("late", [timedelta(hours=8, seconds=1), timedelta(days=1)])
def test_yesterdays_is_refused(store: Approvals, clock: Clock, late: timedelta) -> None:
    approval = asked(store)
    clock.now += late
    text = refusal(store, [approval], record())
    assert f"Approval {approval} of 2026-03-01T12:00:00Z expired at 2026-03-01T20:00:00Z" in text


def test_it_holds_until_its_last_second(store: Approvals, clock: Clock) -> None:
    approval = asked(store)
    clock.now += timedelta(hours=8)
    assert store.use([approval], record(), LATER)


def test_a_policy_that_got_stricter_shortens_it(store: Approvals, clock: Clock) -> None:
    approval = asked(store)
    clock.now += 2 * HOUR
    stricter = Approvals(store.directory, valid_for=3600)
    assert "expired at 2026-03-01T13:00:00Z" in refusal(stricter, [approval], record())
    laxer = Approvals(store.directory, valid_for=30 * 24 * 3600)
    clock.now += 10 * HOUR
    assert "expired at 2026-03-01T20:00:00Z" in refusal(laxer, [approval], record())


def test_from_the_future_it_is_refused(store: Approvals, clock: Clock) -> None:
    approval = asked(store)
    clock.now -= timedelta(minutes=6)
    assert "asked for at 2026-03-01T12:00:00Z, and here it is 2026-03-01T11:54:00Z" in refusal(
        store, [approval], record()
    )
    clock.now += timedelta(minutes=2)
    assert store.use([approval], record(), LATER)


@pytest.mark.parametrize(
    "run",
    [ASKING, {"token": "0123", "ledger": ""}, {"token": "4567", "ledger": "aaaa"}],
    ids=["same", "token", "ledger"],
)
def test_a_run_cannot_approve_itself(store: Approvals, run: dict[str, str]) -> None:
    approval = asked(store)
    assert f"{approval} was asked for by this very run" in refusal(store, [approval], record(), run)
    assert store.use([approval], record(), LATER)


def test_two_runs_without_a_ledger_are_two_runs(store: Approvals) -> None:
    approval = store.ask(record(), {"token": "0123", "ledger": ""})["id"]
    assert store.use([approval], record(), {"token": "4567", "ledger": ""})


def test_for_another_guest_it_is_refused(store: Approvals) -> None:
    approval = asked(store)
    text = refusal(store, [approval], record("lxc/300"))
    assert f"Approval {approval} is for destroy lxc/201 old on pve1 (one), and this is destroy lxc/300 old" in text


def test_for_another_cluster_it_is_refused(store: Approvals) -> None:
    approval = asked(store)
    text = refusal(store, [approval], record(endpoint=["pve9.example.org"]))
    assert f"Approval {approval} is for pve1.example.org, pve2.example.org, and this is pve9.example.org" in text


def test_what_changed_since_is_named(store: Approvals) -> None:
    approval = asked(store)
    text = refusal(store, [approval], changed())
    assert "as it was at 2026-03-01T12:00:00Z; different now: lxc/201" in text
    other = record(plan=record()["plan"] | {"digest": "sha256:other values"})
    assert "different now: what the task asks for" in refusal(store, [approval], other)


def test_of_several_that_do_not_fit_the_nearest_is_told(store: Approvals) -> None:
    other, mine = store.ask(record("lxc/300"), ASKING)["id"], asked(store)
    ids = [other, UNKNOWN, mine]
    assert f"None of the 3 approvals fits destroy lxc/201 old on pve1. Approval {mine}" in refusal(
        store, ids, changed()
    )
    store.use(ids, record(), LATER)
    assert f"None of the 3 approvals fits destroy lxc/201 old on pve1. Approval {mine} was used" in refusal(
        store, ids, record()
    )


@pytest.mark.parametrize(
    "text", ["", "yes", "all", UNKNOWN.upper(), f"{UNKNOWN}0", f"../requests/{UNKNOWN}", "a" * 500]
)
def test_what_is_no_id_is_said(store: Approvals, text: str) -> None:
    message = refusal(store, [text], record())
    assert "is not the id of an approval" in message
    assert len(message) < 300


def test_an_id_that_is_not_known_is_refused(store: Approvals) -> None:
    assert f"{UNKNOWN} is not known in {store.directory}" in refusal(store, [UNKNOWN], record())


# -- the store itself


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"version": 1', pytest.param(None, id="version"), pytest.param("id", id="id")]
)
def test_a_damaged_request_is_refused(store: Approvals, content: str | None) -> None:
    approval = asked(store)
    path = request_file(store, approval)
    if content is None:
        content = path.read_text().replace('"version": 1', '"version": 2')
    elif content == "id":
        content = path.read_text().replace(approval, UNKNOWN)
    path.write_text(content)
    assert refusal(store, [approval], record())
    assert not list((store.directory / "used").iterdir())


def test_a_link_in_the_place_of_a_request_is_refused(store: Approvals, tmp_path: Path) -> None:
    approval = asked(store)
    path = request_file(store, approval)
    path.rename(tmp_path / "elsewhere.json")
    path.symlink_to(tmp_path / "elsewhere.json")
    assert "cannot be used" in refusal(store, [approval], record())


def test_a_directory_that_others_steer_is_refused(store: Approvals, tmp_path: Path) -> None:
    approval = asked(store)
    store.directory.chmod(0o777)
    assert "everybody may write into" in refusal(store, [approval], record())
    store.directory.chmod(0o700)
    (store.directory / "requests").chmod(0o702)
    assert "everybody may write into" in refusal(store, [approval], record())
    (tmp_path / "link").symlink_to(store.directory)
    assert "only a link to one" in refusal(Approvals(tmp_path / "link", 3600), [approval], record())


def test_a_store_that_cannot_be_written_approves_nothing(store: Approvals, monkeypatch: pytest.MonkeyPatch) -> None:
    approval = asked(store)

    def full(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    text = refusal(store, [approval], record())
    assert "No space left on device" in text
    assert "STEWARD_APPROVALS" in text
    with pytest.raises(Refused, match="No space left on device"):
        store.ask(record(), ASKING)
    monkeypatch.undo()
    assert [path.name for path in store.directory.rglob("*") if path.is_file()] == [f"{approval}.json"]


def test_a_file_in_the_place_of_the_directory_is_said(tmp_path: Path) -> None:
    (tmp_path / "approvals").write_text("")
    with pytest.raises(Refused, match="cannot be used"):
        Approvals(tmp_path / "approvals", 3600).ask(record(), ASKING)


def test_what_expired_long_ago_goes_when_somebody_asks_again(store: Approvals, clock: Clock) -> None:
    clock.now = datetime.now(UTC) - timedelta(days=40)
    old, used = asked(store), store.ask(record("lxc/202"), ASKING)["id"]
    store.use([used], record("lxc/202"), LATER)
    store.use_once("plan-0-1", LATER, "")
    (store.directory / "requests" / "broken.json").write_text("{")
    _age(store.directory)
    clock.now += timedelta(days=20)
    recent = asked(store)
    assert {path.stem for path in (store.directory / "requests").iterdir()} == {old, used, recent, "broken"}
    clock.now += timedelta(days=20)
    newest = asked(store)
    assert {path.stem for path in (store.directory / "requests").iterdir()} == {recent, newest, "broken"}
    # it has no date after which it could not be used again
    assert {path.stem for path in (store.directory / "used").iterdir()} == {"plan-0-1"}
    assert "is not known" in refusal(store, [used], record("lxc/202"))


def _age(directory: Path) -> None:
    """Let the files look as old as what is written in them."""
    long_ago = time.time() - 40 * 24 * 3600
    for path in directory.rglob("*.json"):
        os.utime(path, (long_ago, long_ago))


def test_an_entry_of_a_saved_plan_is_used_once(store: Approvals) -> None:
    assert store.used("plan-0f-3") is None
    assert not store.directory.exists()
    store.use_once("plan-0f-3", LATER, "2026-03-01T20:00:00Z", "Entry 3 of plan.json")
    with pytest.raises(Refused, match=r"Entry 3 of plan.json was used at 2026-03-01T12:00:00Z by run bbbb"):
        store.use_once("plan-0f-3", ASKING, what="Entry 3 of plan.json")
    assert (store.used("plan-0f-3") or {})["run"] == LATER
    store.use_once("plan-0f-4", ASKING)


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "UPPER", "a" * 101])
def test_the_name_of_a_mark_cannot_lead_elsewhere(store: Approvals, name: str) -> None:
    with pytest.raises(ValueError, match="cannot be the name of a file"):
        store.use_once(name, LATER)
