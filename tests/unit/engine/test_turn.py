# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Taking turns: two processes that would make the same thing do so one after the other."""

import multiprocessing
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils import _turn
from ansible_collections.steward.proxmox.plugins.module_utils._errors import Refused
from ansible_collections.steward.proxmox.plugins.module_utils._turn import Turn


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # processes that are started have it too
    monkeypatch.setattr(_turn.tempfile, "tempdir", None)
    return tmp_path


def _hold(ready: Any, seconds: float, ended: Any = None) -> None:
    turn = Turn("web", 60)
    ready.set()
    time.sleep(seconds)
    if ended:
        ended.value = time.monotonic()
    turn.end()


def test_the_second_process_waits_for_the_first() -> None:
    context = multiprocessing.get_context("spawn")
    ready, ended = context.Event(), context.Value("d", 0.0)
    first = context.Process(target=_hold, args=(ready, 0.6, ended))
    first.start()
    assert ready.wait(60)
    Turn("web", 60).end()
    assert 0 < ended.value <= time.monotonic()  # one clock for all processes
    first.join(60)
    assert first.exitcode == 0


def test_other_names_do_not_wait() -> None:
    one, other = Turn("web", 0), Turn("db", 0)
    one.end()
    other.end()


def test_who_waits_too_long_is_told() -> None:
    turn = Turn("web", 0)
    with pytest.raises(Refused, match="Another task of this machine has been working on web for 0 seconds"):
        Turn("web", 0)
    turn.end()
    Turn("web", 0).end()


def test_a_folder_of_somebody_else_is_not_used(own_folder: Path) -> None:
    elsewhere = own_folder / "elsewhere"
    elsewhere.mkdir()
    (own_folder / f"steward-turns-{_turn.os.getuid()}").symlink_to(elsewhere)
    with pytest.raises(Refused, match="belongs to somebody else"):
        Turn("web", 0)


def test_it_shows_whether_somebody_had_a_turn_since_a_moment() -> None:
    before = time.time_ns()
    first = Turn("web", 0)
    assert not first.used_since(before)
    first.end()
    after = time.time_ns()
    second = Turn("web", 0)
    assert second.used_since(before)
    assert not second.used_since(after)
    second.end()


def test_who_was_killed_in_a_turn_may_have_changed_something() -> None:
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    doomed = context.Process(target=_hold, args=(ready, 60))
    doomed.start()
    assert ready.wait(60)
    doomed.kill()
    doomed.join(60)
    turn = Turn("web", 60)
    assert turn.used_since(time.time_ns() + 10**12)
    turn.end()
