# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The private directory of a run, looked at from outside: each test is a process of its own with its own TMPDIR."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

IMPORT = "from ansible_collections.steward.proxmox.plugins.plugin_utils import _run_state as run_state\n"
REPORT = """
import json, os, stat
directory = run_state._DIRECTORY
def mode(path): return oct(stat.S_IMODE(os.lstat(path).st_mode))
def say(**found): print(json.dumps(found))
"""


def process(code: str, tmp: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", IMPORT + REPORT + code],
        env={**os.environ, "TMPDIR": str(tmp)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def run(code: str, tmp: Path) -> dict[str, object]:
    done = process(code, tmp)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


def test_nothing_is_made_before_something_is_kept(tmp_path: Path) -> None:
    assert run("run_state.load_memory(); run_state.plans(); say(there=directory.exists())", tmp_path) == {
        "there": False
    }


def test_directory_and_files_are_private_whatever_the_umask(tmp_path: Path) -> None:
    code = """
os.umask(0)
run_state.add_plan({"a": 1})
say(directory=mode(directory), file=mode(directory / "plans"), place=str(directory.parent))
"""
    assert run(code, tmp_path) == {"directory": "0o700", "file": "0o600", "place": str(tmp_path)}


def test_memory_and_plans_are_read_back_in_order(tmp_path: Path) -> None:
    code = """
memory = run_state.load_memory()
memory.add({"bound": {"lxc/100": "sha256:a"}})
memory.add({"bound": {"lxc/100": "sha256:b"}})
run_state.store_memory(memory)
run_state.store_memory(memory)
for number in range(3): run_state.add_plan({"number": number})
lines = (directory / "memory").read_text().splitlines()
say(bound=run_state.load_memory().bound, plans=run_state.plans(), lines=len(lines))
"""
    assert run(code, tmp_path) == {
        "bound": {"lxc/100": "sha256:b"},
        "plans": [{"number": 0}, {"number": 1}, {"number": 2}],
        "lines": 2,
    }


def test_sixteen_forks_lose_nothing_and_tear_nothing(tmp_path: Path) -> None:
    code = """
children = []
for child in range(16):
    pid = os.fork()
    if not pid:
        for number in range(50): run_state.add_plan({"child": child, "number": number, "long": "x" * 9000})
        os._exit(0)
    children.append(pid)
codes = [os.waitpid(pid, 0)[1] for pid in children]
plans = run_state.plans()
seen = {(plan["child"], plan["number"]) for plan in plans}
ordered = all([p["number"] for p in plans if p["child"] == child] == list(range(50)) for child in range(16))
say(codes=set(codes) == {0}, plans=len(plans), seen=len(seen), ordered=ordered)
"""
    assert run(code, tmp_path) == {"codes": True, "plans": 800, "seen": 800, "ordered": True}


def test_a_fork_waits_for_a_lock_although_it_inherited_its_descriptor(tmp_path: Path) -> None:
    code = """
import fcntl, time
run_state.add_plan({})
stream = open(directory / "plans")
fcntl.flock(stream, fcntl.LOCK_EX)
pid = os.fork()
if not pid:
    run_state.add_plan({})
    os._exit(0)
time.sleep(0.3)
waits = os.waitpid(pid, os.WNOHANG) == (0, 0)
fcntl.flock(stream, fcntl.LOCK_UN)
code = os.waitpid(pid, 0)[1] if waits else None
say(waits=waits, code=code, plans=len(run_state.plans()))
"""
    assert run(code, tmp_path) == {"waits": True, "code": 0, "plans": 2}


def test_a_fork_that_ends_leaves_it_and_the_parent_removes_it(tmp_path: Path) -> None:
    code = """
run_state.add_plan({})
pid = os.fork()
if not pid: raise SystemExit(0)  # runs atexit, as a worker's normal end does
os.waitpid(pid, 0)
say(there=directory.exists())
"""
    assert run(code, tmp_path) == {"there": True}
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_run_left_is_removed_by_the_next_and_a_living_one_is_not(tmp_path: Path) -> None:
    killed = process("run_state.add_plan({}); os.kill(os.getpid(), 9)", tmp_path)
    assert killed.returncode == -9
    assert len(list(tmp_path.iterdir())) == 1
    alive = tmp_path / f"steward-proxmox-{os.getuid()}-{os.getpid()}-0123456789abcdef"
    odd = tmp_path / f"steward-proxmox-{os.getuid()}-notes"
    other = tmp_path / "steward-proxmox-99999-1-0123456789abcdef"
    for directory in (alive, odd, other):
        directory.mkdir()
    run("run_state.add_plan({}); say()", tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted([alive, odd, other])


PLANTED = {
    "link": "elsewhere.mkdir(mode=0o700); os.symlink(elsewhere, directory)",
    "open to others": "directory.mkdir(); directory.chmod(0o777)",
    "file": "directory.write_text('')",
}


@pytest.mark.parametrize("planting", PLANTED.values(), ids=PLANTED.keys())
def test_what_somebody_put_in_its_place_is_not_trusted(tmp_path: Path, planting: str) -> None:
    code = f"""
elsewhere = directory.parent / "elsewhere"
{planting}
try:
    run_state.add_plan({{"secret": 1}})
except run_state.NotKept as error:
    say(refused=str(error), written=any(elsewhere.glob("*")) if elsewhere.exists() else False)
"""
    found = run(code, tmp_path)
    assert "is not a private directory of this user" in str(found["refused"])
    assert found["written"] is False


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a directory to another user")
def test_a_directory_of_another_user_is_not_trusted(tmp_path: Path) -> None:
    code = """
directory.mkdir(mode=0o700)
os.chown(directory, 12345, 12345)
try: run_state.add_plan({})
except run_state.NotKept: say(refused=True)
"""
    assert run(code, tmp_path) == {"refused": True}


def test_a_link_in_place_of_a_file_is_not_followed(tmp_path: Path) -> None:
    code = """
run_state.add_plan({})
victim = directory.parent / "victim"
os.symlink(victim, directory / "memory")
memory = run_state.load_memory()
memory.add({"bound": {}})
try: run_state.store_memory(memory)
except run_state.NotKept as error: say(errno=error.__cause__.errno, written=victim.exists())
"""
    assert run(code, tmp_path) == {"errno": errno.ELOOP, "written": False}


def test_a_full_disk_is_told_and_leaves_no_half_a_line(tmp_path: Path) -> None:
    code = """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
run_state.add_plan({"number": 1})
limit = (directory / "plans").stat().st_size + 10
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
try: run_state.add_plan({"number": 2, "long": "x" * 100})
except run_state.NotKept as error: why = str(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
run_state.add_plan({"number": 3})
say(why=why, plans=run_state.plans())
"""
    found = run(code, tmp_path)
    assert str(tmp_path) in str(found["why"])
    assert "TMPDIR" in str(found["why"])
    assert found["plans"] == [{"number": 1}, {"number": 3}]
