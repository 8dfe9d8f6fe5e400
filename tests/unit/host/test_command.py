# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Running a program: no shell, fixed environment, outputs apart and bounded, a limit of time."""

import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._host.command import (
    OUTPUT_LIMIT,
    Outcome,
    StillRunning,
    run,
)


def python(code: str, *arguments: str) -> list[str]:
    return [sys.executable, "-c", code, *arguments]


def test_the_two_outputs_stay_apart() -> None:
    outcome = run(python("import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"), 20, stop=True)
    assert (outcome.status, outcome.stdout, outcome.stderr) == (3, "out\n", "err\n")
    assert outcome.words == "err"
    assert not outcome.is_cut


def test_arguments_reach_no_shell() -> None:
    outcome = run(python("import sys; print(sys.argv[1:])", "$(id)", "; id", "*"), 20, stop=True)
    assert outcome.stdout == "['$(id)', '; id', '*']\n"


@pytest.fixture
def full_stdin() -> Iterator[None]:
    """This process has something to read."""
    reader, writer = os.pipe()
    kept = os.dup(0)
    os.write(writer, b"yes\n")
    os.dup2(reader, 0)
    for descriptor in (reader, writer):
        os.close(descriptor)
    yield
    os.dup2(kept, 0)
    os.close(kept)


@pytest.mark.usefixtures("full_stdin")
def test_nothing_of_ours_is_inherited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROXMOX_PASSWORD", "hidden")
    code = "import json, os, sys; print(json.dumps([dict(os.environ), sys.stdin.read(), os.getcwd()]))"
    environment, stdin, place = json.loads(run(python(code), 20, stop=True).stdout)
    environment.pop("LC_CTYPE", None)  # Python sets it for itself
    assert environment == {"LC_ALL": "C", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    assert (stdin, place) == ("", "/")


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_too_much_output_is_cut_and_said(stream: str) -> None:
    outcome = run(python(f"import sys; sys.{stream}.write('x' * {OUTPUT_LIMIT + 1})"), 20, stop=True)
    text = getattr(outcome, stream)
    assert outcome.is_cut
    assert text == "x" * OUTPUT_LIMIT + "\n[cut after 1 MiB]"


def test_what_people_read_of_it_is_short() -> None:
    outcome = Outcome(1, "", "a" * OUTPUT_LIMIT + "\n" + "".join(f"line {number}\n" for number in range(100)))
    assert outcome.words == "; ".join(f"line {number}" for number in range(88, 100))
    assert len(Outcome(1, "", "a" * OUTPUT_LIMIT).words) == 2000


def test_as_much_as_fits_is_not_cut() -> None:
    assert not run(python(f"print('x' * {OUTPUT_LIMIT - 1})"), 20, stop=True).is_cut


def test_bytes_that_are_no_text_do_not_break_it() -> None:
    assert run(python(r"import sys; sys.stdout.buffer.write(b'a\xffb')"), 20, stop=True).stdout == "a\ufffdb"


LATE = "import pathlib, sys, time; print('begun', flush=True); time.sleep(4); pathlib.Path(sys.argv[1]).touch()"


@pytest.mark.parametrize("stop", [True, False])
def test_after_its_time_a_read_is_killed_and_a_write_goes_on(tmp_path: Path, stop: bool) -> None:
    end, begun = tmp_path / "ended", time.monotonic()
    with pytest.raises(StillRunning):
        run(python(LATE, str(end)), 0.3, stop=stop)
    assert time.monotonic() - begun < 3.8
    deadline = time.monotonic() + (5 if stop else 60)
    while not end.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert end.exists() is not stop


def test_a_program_that_a_signal_ends_says_which() -> None:
    assert run(python("import os; os.kill(os.getpid(), 9)"), 20, stop=True).status == -9


def test_a_program_that_is_not_there_is_an_error() -> None:
    with pytest.raises(FileNotFoundError):
        run(["/nowhere/pct"], 1, stop=True)
