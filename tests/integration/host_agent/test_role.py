# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role from nothing to nothing, and what sudo lets its user do in between."""

from __future__ import annotations

import os
import pwd
import re
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.plugin_utils._ssh.pct import Entrance
from ansible_collections.steward.proxmox.plugins.plugin_utils._sudoers import Agent, proof

from tests.node.lxc import Container
from tests.node.pct import BUSYBOX

from .conftest import Role, Run

pytestmark = pytest.mark.slow  # the rules themselves are put to sudo in tests/integration/host/test_sudo.py as well

CREATE = (
    f"create 9001 {BUSYBOX} --unprivileged 1 --features nesting=1,keyctl=1 --rootfs local-zfs:4 --hostname golden "
    "--cores 2 --memory 512 --net0 bridge=vmbr0,ip=dhcp,name=eth0 --tags docker;golden"
)


@dataclass
class Story:
    role: Role
    previewed: Run
    left_by_preview: list[bool]
    made: Run
    again: Run


def is_there(role: Role) -> list[bool]:
    return [role.user in [entry.pw_name for entry in pwd.getpwall()], role.home.exists(), role.rules.exists()]


@pytest.fixture(scope="module")
def story(role: Role, container: Container) -> Story:
    """101 is running, and the user may run commands in it."""
    previewed, left = role.run("--check", "--diff"), is_there(role)
    return Story(role, previewed, left, role.run(), role.run("--check"))


def rows(role: Role, answer: str) -> list[str]:
    agent = Agent(role.user, exec_vmids=[101], pct=str(role.node.pct))
    return [row["line"] for row in proof(agent) if row["answer"] == answer]


def asked(role: Role, lines: list[str], sudo: str = "sudo -n -l --") -> list[str]:
    """The lines for which sudo says yes to the user, who is logged in by ssh."""
    script = "".join(f"{sudo} {line} </dev/null >/dev/null 2>&1 && echo {place}\n" for place, line in enumerate(lines))
    done = role.ssh("/bin/sh -s", input=script)
    return [lines[int(place)] for place in done.stdout.split()]


def test_the_preview_says_what_it_would_do_and_does_nothing(story: Story) -> None:
    assert (story.previewed.status, story.previewed.changed) == (0, 4)
    assert f"+{story.role.user} ALL=(root) NOPASSWD: {story.role.node.pct} ^config " in story.previewed.output
    assert story.left_by_preview == [False, False, False]


def test_the_second_time_nothing_is_left_to_do_but_to_prove_it_again(story: Story) -> None:
    assert (story.made.status, story.made.changed) == (0, 4), story.made.output
    assert (story.again.status, story.again.changed) == (0, 0)
    for run in (story.made, story.again):
        assert "Ask sudo about each command line" in run.output
    assert is_there(story.role) == [True, True, True]


def test_the_rules_are_roots_and_right(story: Story) -> None:
    found = story.role.rules.stat()
    assert (found.st_mode & 0o7777, found.st_uid) == (0o440, 0)
    subprocess.run(["/usr/sbin/visudo", "-c", "-q"], check=True)


def test_its_key_logs_in_and_is_restricted(story: Story) -> None:
    assert story.role.ssh("id -un").stdout.strip() == story.role.user
    assert (story.role.home / ".ssh" / "authorized_keys").read_text().startswith("restrict ssh-ed25519 ")
    assert "PTY allocation request failed" in story.role.ssh("id -un", "-tt").stderr


def test_sudo_allows_every_command_of_the_table(story: Story) -> None:
    lines = rows(story.role, "allowed")
    assert asked(story.role, lines) == lines


def test_sudo_refuses_everything_that_comes_close(story: Story) -> None:
    lines = rows(story.role, "refused")
    assert len(lines) > 200
    assert asked(story.role, lines) == []


def test_what_is_refused_starts_no_process(story: Story) -> None:
    pct = str(story.role.node.pct)
    lines = [line for line in rows(story.role, "refused") if line.startswith(pct)]
    story.role.node.forget()
    assert asked(story.role, lines, sudo="sudo -n --") == []
    assert story.role.node.calls == []


def test_another_program_of_the_same_name_is_refused(story: Story) -> None:
    copy = story.role.home / "pct"
    copy.write_bytes(story.role.node.pct.read_bytes())
    copy.chmod(0o755)
    line = f"{copy} config 9001"
    assert asked(story.role, [line]) == []
    assert asked(story.role, [line.replace(str(copy), str(story.role.node.pct))]) != []


def test_a_golden_base_is_made_through_the_real_sudo(story: Story) -> None:
    node = story.role.node
    done = story.role.ssh(f"sudo -n {node.pct} {shlex.join(CREATE.split())}")
    assert done.returncode == 0, done.stderr
    assert "features: nesting=1,keyctl=1" in node.root("config", 9001)
    assert "hostname: golden" in story.role.ssh(f"sudo -n {node.pct} config 9001").stdout
    node.root("destroy", 9001)


def test_commands_run_in_the_named_container_and_in_no_other(story: Story) -> None:
    pct = str(story.role.node.pct)
    script = "echo $(hostname)\nid -u; echo 'a  b'"
    done = story.role.ssh(shlex.join(Entrance(101, pct).argv(script)))
    assert (done.returncode, done.stdout) == (0, "CT101\n0\na  b\n")
    story.role.node.forget()
    done = story.role.ssh(shlex.join(Entrance(102, pct).argv(script)))
    assert (done.returncode, done.stdout) == (1, "")
    assert "a password is required" in done.stderr
    assert story.role.node.calls == []


def test_the_rules_are_enough_for_the_module(story: Story, tmp_path: Path) -> None:
    golden: dict[str, Any] = {
        "vmid": 9002,
        "template": BUSYBOX,
        "storage": "local-zfs",
        "size": "4G",
        "hostname": "golden",
    }
    shape: dict[str, Any] = {
        "cores": 2,
        "tags": ["docker", "golden"],
        "net": [{"slot": "net0", "bridge": "vmbr0", "ip": "dhcp"}],
    }
    wanted: list[dict[str, Any]] = [{"golden_lxc": {**golden, **shape}}, {"smart": {"disks": "all"}}, {"sensors": {}}]
    tasks = [
        {"name": "One", "steward.proxmox.privileged_host": {"pct": str(story.role.node.pct), "node": "pve1", **one}}
        for one in wanted
    ]
    run = story.role.play(tasks)
    assert (run.status, run.changed) == (0, 1), run.output
    assert "hostname: golden" in story.role.node.root("config", 9002)
    story.role.node.root("destroy", 9002)


def test_a_foreign_rule_that_lets_more_through_is_found(story: Story) -> None:
    foreign = Path("/etc/sudoers.d", f"{story.role.user}-foreign")
    foreign.write_text(f"{story.role.user} ALL=(root) NOPASSWD: {story.role.node.pct} list\n")
    try:
        run = story.role.run("--check")
    finally:
        foreign.unlink()
    assert run.status != 0
    assert f"allowed, and should be refused: {story.role.node.pct} list" in run.output


def test_fewer_rights_and_another_key_are_taken_over_and_all_of_it_can_be_removed(story: Story) -> None:
    role = story.role
    other = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMXh8Z2qvdjL4Sk+Yp70GYoSMjbqSpJEobrgWCLDw0+x other"]
    run = role.run(
        host_agent_operations=["smart", "golden_lxc"],
        host_agent_pct="/nowhere/pct",
        host_agent_exec_vmids=[],
        host_agent_keys=other,
        host_agent_from=["192.0.2.1"],
    )
    assert (run.status, run.changed) == (0, 2)
    assert "Not proved on pve1, for it is not installed: /nowhere/pct" in run.output
    programs = re.findall(r"NOPASSWD: (\S+)", role.rules.read_text())
    assert set(programs) == {"/nowhere/pct", "/usr/sbin/smartctl"}
    assert (role.home / ".ssh" / "authorized_keys").read_text() == f'restrict,from="192.0.2.1" {other[0]}\n'
    assert role.ssh("id").returncode == 255

    run = role.run(host_agent_state="absent")
    assert (run.status, run.changed) == (0, 2)
    assert is_there(role) == [False, False, False]
    assert role.run(host_agent_state="absent").changed == 0


def test_a_user_that_is_somebody_elses_is_refused(role: Role) -> None:
    for state in ("present", "absent"):
        run = role.run(host_agent_user=role.node.user, host_agent_state=state)
        assert run.status != 0
        assert f"User {role.node.user} exists on pve1 and was not made by this role" in run.output
    assert role.node.ssh("id -un").stdout.strip() == role.node.user


def test_what_does_not_fit_is_told_at_once(role: Role) -> None:
    run = role.run(
        host_agent_user="a.b", host_agent_keys=['from="*" ssh-ed25519 AAAA'], host_agent_from=['a",command="b']
    )
    for told in (
        "host_agent_user may have",
        "host_agent_keys are public keys",
        "host_agent_from are",
        "Nothing was changed",
    ):
        assert told in run.output
    assert (run.status, run.changed) == (2, 0)


@pytest.mark.parametrize("version", ["Sudo version 1.9.5p2", "sudo-rs 0.2.5"])
def test_a_sudo_without_regular_expressions_is_refused(role: Role, tmp_path: Path, version: str) -> None:
    old = tmp_path / "sudo"
    old.write_text(f"#!/bin/sh\necho '{version}'\n")
    old.chmod(0o755)
    before = is_there(role)
    own_mounts = ("unshare", "--mount", "/bin/sh", "-c", 'mount --bind "$0" /usr/bin/sudo && exec "$@"', str(old))
    run = role.run(around=own_mounts, ansible_connection="local")
    assert run.status == 2
    assert f"sudo knows since 1.9.10, and pve1 has '{version}'" in " ".join(run.output.split())
    assert is_there(role) == before
    assert os.path.getsize("/usr/bin/sudo") > 10_000  # the mount was seen by that run only
