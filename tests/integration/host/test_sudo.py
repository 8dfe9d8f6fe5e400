# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""golden_lxc through the real sudo, as a user who has the documented rule and nothing else."""

import multiprocessing
import os
import pwd
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._engine import failure
from ansible_collections.steward.proxmox.plugins.module_utils._errors import StewardError
from ansible_collections.steward.proxmox.plugins.module_utils._host import sudo
from ansible_collections.steward.proxmox.plugins.module_utils._host.runner import Host
from ansible_collections.steward.proxmox.plugins.plugin_utils._sudoers import Agent, proof

from .conftest import TEMPLATE, Pct

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to add a user and a rule of sudoers"),
    pytest.mark.skipif(not Path(sudo.SUDO).exists(), reason="sudo is not installed"),
]

USER = f"steward-test-{os.getpid()}"
RULES = Path("/etc/sudoers.d") / USER
FIXED = f"create 9001 {TEMPLATE} --unprivileged 1 --features nesting=1,keyctl=1 --rootfs local-zfs:4"


@pytest.fixture(scope="module")
def user() -> Iterator[str]:
    """A user who may do nothing."""
    subprocess.run(["useradd", "--system", "--no-create-home", "--shell", "/bin/sh", USER], check=True)
    yield USER
    subprocess.run(["userdel", USER], check=True)


@pytest.fixture
def allow(user: str) -> Iterator[Callable[[str], None]]:
    """Writes a rule for the user, as an administrator would: checked by visudo first."""

    def write(rule: str) -> None:
        draft = RULES.with_name(f"{USER}.tmp")  # a name with a dot is not read by sudo
        draft.write_text(f"{rule}\n")
        draft.chmod(0o440)
        subprocess.run(["/usr/sbin/visudo", "-c", "-q", "-f", draft], check=True)
        draft.rename(RULES)

    yield write
    for path in (RULES, RULES.with_name(f"{USER}.tmp")):
        path.unlink(missing_ok=True)


@pytest.fixture
def allowed(allow: Callable[[str], None], pct: Pct) -> Pct:
    allow("\n".join(sudo.rules(USER, pct.path)))
    return pct


def as_user(task: Callable[[], Any]) -> Any:
    """What `task` returns when the user runs it, in a child of this process."""

    def child(answers: Any) -> None:
        entry = pwd.getpwnam(USER)
        os.setgroups([])
        os.setgid(entry.pw_gid)
        os.setuid(entry.pw_uid)
        answers.put(task())

    context = multiprocessing.get_context("fork")
    answers = context.SimpleQueue()
    process = context.Process(target=child, args=(answers,))
    process.start()
    process.join(600)
    assert process.exitcode == 0
    return answers.get()


def golden(pct: Pct, check: bool = False, **wanted: Any) -> dict[str, Any]:
    """The task's result, as the module would return it."""

    def task() -> dict[str, Any]:
        work = None
        try:
            work = pct.work("sudo", check, **wanted)
            if work.plan.steps and not check:
                work.carry_out()
        except StewardError as error:
            return failure(error, work)
        return work.result()

    return dict(as_user(task))


def run(*argv: str) -> subprocess.CompletedProcess[str]:
    line = [sudo.SUDO, "-n", *argv]
    return as_user(lambda: subprocess.run(line, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL))


def test_with_the_documented_rule_it_is_made(allowed: Pct) -> None:
    shape: dict[str, Any] = {"cores": 2, "memory": 1024, "swap": 0, "tags": ["docker", "golden"], "ostype": "alpine"}
    nets = [{"slot": "net0", "bridge": "vmbr0", "ip": "dhcp", "trunks": [2, 3]}, {"slot": "net1", "bridge": "vmbr1"}]
    names: dict[str, Any] = {"nameserver": ["192.0.2.1", "2001:db8::1"], "searchdomain": "example.org"}
    result = golden(allowed, **shape, **names, net=nets)
    assert result.get("msg") is None
    assert result["changed"]
    assert allowed.calls == [
        "config 9001",
        f"{FIXED} --hostname golden --cores 2 --memory 1024 --swap 0 --net0 bridge=vmbr0,ip=dhcp,name=eth0,trunks=2;3 "
        "--net1 bridge=vmbr1,name=eth1 --nameserver 192.0.2.1 2001:db8::1 --searchdomain example.org "
        "--tags docker;golden --ostype alpine",
        "config 9001",
    ]
    assert golden(allowed)["changed"] is False


def test_check_mode_asks_sudo_and_runs_nothing(allowed: Pct) -> None:
    result = golden(allowed, check=True)
    assert (result.get("msg"), result["changed"]) == (None, True)
    assert allowed.calls == ["config 9001"]
    assert allowed.made == []


@pytest.mark.parametrize("check", [True, False])
def test_who_may_only_read_is_refused_before_anything_is_made(
    allow: Callable[[str], None], pct: Pct, check: bool
) -> None:
    allow(f"{USER} ALL=(root) NOPASSWD: {pct.path} ^config [0-9]+$")
    result = golden(pct, check=check)
    assert result["refused"]
    assert f"sudo does not let {USER} run '{pct.path} {FIXED} --hostname golden'" in result["msg"]
    assert result["sudoers"] in result["msg"]
    assert pct.calls == ["config 9001"]


@pytest.mark.parametrize("check", [True, False])
def test_who_may_nothing_gets_the_line_that_helps(
    user: str, allow: Callable[[str], None], pct: Pct, check: bool
) -> None:
    result = golden(pct, check=check)
    assert result["refused"]
    assert ": sudo: a password is required. Nothing was sent" in result["msg"]  # and not that a terminal is
    assert pct.calls == []
    allow(result["sudoers"])
    assert golden(pct, check=check)["changed"]


@pytest.mark.parametrize(
    "more",
    [
        "--unprivileged 0",
        "--mp0 /etc,mp=/mnt",
        "--hookscript local:snippets/x.sh",
        "--rootfs /dev/sda",
        "; id",
        "--hostname a --features nesting=1,keyctl=1,mount=nfs",
        "--hostname $(id)",
    ],
)
def test_sudo_lets_nothing_more_through(allowed: Pct, more: str) -> None:
    for arguments in (shlex.split(f"{FIXED} {more}"), [*shlex.split(FIXED), more]):
        done = run(allowed.path, *arguments)
        assert (done.returncode, done.stdout) == (1, "")
        assert sudo.is_refusal(done.returncode, done.stdout, done.stderr)
    assert allowed.calls == []


@pytest.mark.parametrize(
    "line",
    [
        FIXED.replace("nesting=1,keyctl=1", "nesting=1,keyctl=1,fuse=1"),
        FIXED.replace("nesting=1,keyctl=1", "nesting=1"),
        FIXED.replace("--unprivileged 1", "--unprivileged 0"),
        FIXED.replace("--unprivileged 1 ", ""),
        FIXED.replace("create", "--mp0 /etc,mp=/mnt create"),
        FIXED.replace("9001", "9001 --mp0 /etc,mp=/mnt"),
        FIXED.replace("local:vztmpl/", "local:vztmpl/../../"),
        FIXED.replace("local:vztmpl/", "local:backup/"),
        FIXED.replace("local-zfs:4", "local-zfs:100/vm-100-disk-0.raw"),
        "config 9001 --snapshot x",
        "config 9001 ; id",
        "destroy 9001",
        "set 9001 --features keyctl=1",
        "exec 9001 -- sh",
        "",
    ],
)
def test_sudo_refuses_what_is_nearly_allowed(allowed: Pct, line: str) -> None:
    done = run(allowed.path, *shlex.split(line))
    assert (done.returncode, done.stdout) == (1, "")
    assert allowed.calls == []


def test_the_file_of_the_role_host_agent_allows_what_is_needed_and_nothing_near_it(
    allow: Callable[[str], None], pct: Pct
) -> None:
    agent = Agent(USER, exec_vmids=[101], pct=pct.path)
    allow(agent.sudoers())
    rows = proof(agent)
    asking = "".join(f"sudo -n -l -- {row['line']} >/dev/null 2>&1 </dev/null; echo $?\n" for row in rows)
    told = as_user(lambda: subprocess.run(["/bin/sh", "-s"], input=asking, check=True, capture_output=True, text=True))
    found = [
        {**row, "answer": "allowed" if status == "0" else "refused"}
        for row, status in zip(rows, told.stdout.split(), strict=True)
    ]
    assert found == rows
    assert sum(row["answer"] == "refused" for row in rows) > 500


def test_sudo_refuses_another_program(allowed: Pct) -> None:
    other = shutil.copy(allowed.path, f"{allowed.path}-other")
    assert run(str(other), *shlex.split(FIXED)).returncode == 1
    assert allowed.calls == []


def test_a_failure_of_pct_is_not_a_refusal_of_sudo(allowed: Pct) -> None:
    result = golden(allowed, template="local:vztmpl/none.tar.gz")
    assert "refused" not in result
    assert "unable to create CT 9001 - volume 'local:vztmpl/none.tar.gz' does not exist" in result["msg"]
    assert "It does not exist afterwards" in result["msg"]


def test_an_allowed_pct_that_is_not_there_is_not_a_missing_right(allowed: Pct) -> None:
    os.remove(allowed.path)
    result = golden(allowed)
    assert f"{allowed.path} is not installed" in result["msg"]
    assert "refused" not in result


def test_a_host_without_sudo_says_so(pct: Pct, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sudo, "SUDO", "/nowhere/sudo")
    with pytest.raises(StewardError, match=r"/nowhere/sudo is not installed .* runner: direct"):
        Host(pct.options("sudo")).get("pct config", vmid=9001)
