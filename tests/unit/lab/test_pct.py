# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`pct` says what the real command says, and works on the state of the API."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.lab import Lab

from .conftest import TEMPLATE, Client

GOLDEN = ("create", "901", TEMPLATE, "--unprivileged", "1", "--features", "nesting=1,keyctl=1", "--rootfs", "local:1")


def pct(lab: Lab, *words: str, stdin: bytes = b"") -> tuple[int, str]:
    done = subprocess.run([str(lab.pct), *words], input=stdin, capture_output=True, env={}, check=False)
    return done.returncode, done.stdout.decode() + done.stderr.decode()


@pytest.fixture
def golden(lab: Lab) -> Lab:
    done = pct(lab, *GOLDEN, "--cores", "1", "--memory", "128", "--hostname", "golden")
    assert done[0] == 0, done[1]
    return lab


def test_the_life_of_a_golden_container(golden: Lab) -> None:
    assert pct(golden, *GOLDEN) == (255, "CT 901 already exists on node 'pve1'\n")
    assert pct(golden, "config", "901") == (
        0,
        (
            "arch: amd64\ncores: 1\nfeatures: nesting=1,keyctl=1\nhostname: golden\nmemory: 128\nostype: alpine\n"
            "rootfs: local:901/vm-901-disk-0.raw,size=1G\nswap: 512\nunprivileged: 1\n"
        ),
    )
    assert pct(golden, "status", "901") == (0, "status: stopped\n")
    assert pct(golden, "exec", "901", "--", "true") == (255, "container '901' not running!\n")
    assert pct(golden, "start", "901") == (0, "")
    assert pct(golden, "start", "901") == (255, "CT 901 already running\n")
    assert pct(golden, "status", "901") == (0, "status: running\n")
    assert pct(golden, "set", "901", "--memory", "256") == (0, "")
    assert "memory: 256\n" in pct(golden, "config", "901", "--current", "1")[1]
    assert pct(golden, "stop", "901") == (0, "")
    assert pct(golden, "stop", "901") == (255, "CT 901 not running\n")
    assert pct(golden, "snapshot", "901", "s1") == (255, "snapshot feature is not available\n")
    assert pct(golden, "destroy", "901") == (0, "")
    assert pct(golden, "destroy", "901") == (2, "Configuration file 'nodes/pve1/lxc/901.conf' does not exist\n")


def test_create_shows_its_work(lab: Lab) -> None:
    status, text = pct(lab, *GOLDEN)
    text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "<uuid>", text)
    assert (status, text.splitlines()) == (
        0,
        [
            "Formatting '/var/lib/vz/images/901/vm-901-disk-0.raw', fmt=raw size=1073741824 preallocation=off",
            "Creating filesystem with 262144 4k blocks and 65536 inodes",
            "Filesystem UUID: <uuid>",
            "Superblock backups stored on blocks: ",
            "\t32768, 98304, 163840, 229376",
            f"extracting archive '/var/lib/vz/template/cache/{TEMPLATE.split('/')[1]}'",
            "Total bytes read: 2078720 (2.0MiB, 99MiB/s)",
            "Detected container architecture: amd64",
        ],
    )
    assert Client(lab).data("GET", "/nodes/pve1/lxc/901/config")["features"] == "nesting=1,keyctl=1"


USAGE = "\npct create <vmid> <ostemplate> [OPTIONS]\n"
REFUSALS = [
    (("config", "999"), 2, "Configuration file 'nodes/pve1/lxc/999.conf' does not exist\n"),
    (("status", "999"), 2, "Configuration file 'nodes/pve1/lxc/999.conf' does not exist\n"),
    (("exec", "999", "--", "true"), 2, "Configuration file 'nodes/pve1/lxc/999.conf' does not exist\n"),
    (("create", "902", "nostor:vztmpl/x.tar.gz", "--rootfs", "local:1"), 255, "storage 'nostor' does not exist\n"),
    (("create", "902", TEMPLATE, "--rootfs", "nostor:1"), 255, "storage 'nostor' does not exist\n"),
    (("create", "902", TEMPLATE, "--rootfs", "local"), 255, "unable to parse volume ID 'local'\n"),
    (
        ("create", "902", TEMPLATE, "--rootfs", "local:1", "--features", "keyctl=2"),
        255,
        "400 Parameter verification failed.\nfeatures: invalid format - format error\n"
        "features.keyctl: type check ('boolean') failed - got '2'\n" + USAGE,
    ),
    (
        ("create", "902", TEMPLATE, "--rootfs", "local:1", "--hostname", "bad_name"),
        255,
        "400 Parameter verification failed.\n"
        "hostname: invalid format - value does not look like a valid DNS name\n" + USAGE,
    ),
    (
        ("create", "50", TEMPLATE),
        255,
        "400 Parameter verification failed.\nvmid: invalid format - value does not look like a valid VM ID\n" + USAGE,
    ),
]


@pytest.mark.parametrize(("words", "status", "text"), REFUSALS)
def test_refusals(lab: Lab, words: tuple[str, ...], status: int, text: str) -> None:
    assert pct(lab, *words) == (status, text)


def test_a_missing_template_is_found_after_the_disk_was_made(lab: Lab) -> None:
    status, text = pct(lab, "create", "902", "local:vztmpl/none.tar.gz", "--rootfs", "local:1")
    assert status == 255
    assert text.splitlines()[-2:] == [
        "volume 'local:vztmpl/none.tar.gz' does not exist",
        "unable to create CT 902 - volume 'local:vztmpl/none.tar.gz' does not exist",
    ]
    assert lab.state.guests == {}
    assert not [volume for volume in lab.state.volumes.values() if volume.vmid == 902]


def test_commands_are_logged_without_their_options(golden: Lab) -> None:
    pct(golden, "config", "901")
    pct(golden, "set", "901", "--description", "s3cret")
    seen = [(entry["method"], entry["path"], entry["status"]) for entry in golden.requests]
    assert seen == [("PCT", "/create/901", 0), ("PCT", "/config/901", 0), ("PCT", "/set/901", 0)]
    assert [entry["path"] for entry in golden.writes] == ["/create/901", "/set/901"]
    assert "s3cret" not in golden.log.read_text(encoding="utf-8")


def test_a_command_can_fail_on_purpose(golden: Lab) -> None:
    golden.fault(method="PCT", path="/start/901", task_exit="no more memory")
    assert pct(golden, "start", "901") == (255, "no more memory\n")
    assert pct(golden, "start", "901") == (0, "")


@pytest.mark.parametrize("words", [("push", "901", "/x"), ("pull", "901"), ("create", "901"), ("nonsense",), ()])
def test_words_that_are_missing(golden: Lab, words: tuple[str, ...]) -> None:
    status, text = pct(golden, *words)
    assert status == 255
    assert "not enough arguments" in text or "unknown command" in text


def test_a_command_does_not_wait_for_a_pipe_that_it_does_not_read(golden: Lab) -> None:
    pct(golden, "start", "901")
    reader, writer = os.pipe()
    try:
        command = [str(golden.pct), "exec", "901", "--", "true"]
        assert subprocess.run(command, stdin=reader, env={}, timeout=60, check=False).returncode == 0
    finally:
        os.close(reader)
        os.close(writer)


def test_list(golden: Lab) -> None:
    assert pct(golden, "list") == (
        0,
        (
            "VMID       Status     Lock         Name                \n"
            "901        stopped                 golden              \n"
        ),
    )


def test_commands_in_a_container(golden: Lab, tmp_path: Path) -> None:
    pct(golden, "start", "901")
    assert pct(golden, "exec", "901", "--", "sh", "-c", "exit 7") == (7, "")
    assert pct(golden, "exec", "901", "--", "echo", "a", "b") == (0, "a b\n")
    assert pct(golden, "exec", "901", "--", "false")[0] == 1
    assert pct(golden, "exec", "901", "--", "/nope") == (
        127,
        (
            "lxc-attach: 901: ../src/lxc/attach.c: lxc_attach_run_command: 1841 "
            'No such file or directory - Failed to exec "/nope"\n'
        ),
    )
    assert pct(golden, "exec", "901", "--keep-env", "0", "--", "apk", "add", "docker") == (0, "")
    assert golden.state.commands[-1]["command"] == ["apk", "add", "docker"]
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(b"hello\n")
    assert pct(golden, "push", "901", str(source), "/tmp/x") == (0, "")
    assert pct(golden, "exec", "901", "--", "cat", "/tmp/x") == (0, "hello\n")
    assert pct(golden, "pull", "901", "/tmp/x", str(target)) == (0, "")
    assert target.read_bytes() == b"hello\n"
    assert pct(golden, "pull", "901", "/nofile", str(target)) == (
        0,
        ("failed to open /nofile: No such file or directory\n"),
    )
    assert pct(golden, "exec", "901", "--", "sh", "-c", 'cat > "$1"', "_", "/tmp/y", stdin=b"streamed")[0] == 0
    assert golden.state.guests[901].files["/tmp/y"] == b"streamed"
