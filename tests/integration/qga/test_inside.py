# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Playbooks that go into a machine, as they are meant to go."""

from __future__ import annotations

import hashlib
import os
import random
import re
import threading
import time
from pathlib import Path
from typing import Any

from .conftest import VMID, Result, Site, agent_in

SECRETS = ("handed-to-a-module", "handed-as-content", "handed-as-input")


def task(name: str, module: str, options: Any, **keywords: Any) -> dict[str, Any]:
    return {"name": name, f"ansible.builtin.{module}": options, **keywords}


def test_modules_run_inside(site: Site) -> None:
    files = {"template.j2": "vmid {{ proxmox_vmid }} in ü\n", "script.sh": "#!/bin/sh\ncat /etc/hostname; exit 3\n"}
    for name, text in files.items():
        (site.folder / name).write_text(text)
    (site.folder / "binary").write_bytes(bytes(range(256)) * 300)
    done = site.play(
        task("ping", "ping", {"data": SECRETS[0]}, no_log=True),
        task("command", "command", {"cmd": "cat", "stdin": SECRETS[2]}, no_log=True),
        task("facts", "setup", {"gather_subset": ["!all", "min"]}),
        task("copy", "copy", {"src": "binary", "dest": "/root/a file with ü and 'quotes'", "mode": "0640"}),
        task("content", "copy", {"content": SECRETS[1], "dest": "/root/secret", "mode": "0600"}, no_log=True),
        task("template", "template", {"src": "template.j2", "dest": "/root/template", "mode": "0644"}),
        task("empty", "copy", {"content": "", "dest": "/root/empty", "mode": "0644"}),
        task("fetch nothing", "fetch", {"src": "/root/empty", "dest": "nothing", "flat": True}),
        task("fetch", "fetch", {"src": "/root/a file with ü and 'quotes'", "dest": "back", "flat": True}),
        task("script", "script", "script.sh", failed_when=False),
        task(
            "raw",
            "raw",
            "echo ärger; hostname; cat /proc/self/cgroup >/dev/null; id -u; pwd; exit 5",
            failed_when=False,
        ),
        task("large", "command", {"cmd": "sha256sum", "stdin": "x" * 200_000, "stdin_add_newline": False}),
        task("again", "copy", {"src": "binary", "dest": "/root/a file with ü and 'quotes'", "mode": "0640"}),
    )
    assert done.code == 0, done.said
    assert done.results["facts"]["ansible_facts"]["ansible_hostname"] == "CT290"
    assert (done.results["copy"]["changed"], done.results["again"]["changed"]) == (True, False)
    assert (site.folder / "back").read_bytes() == (site.folder / "binary").read_bytes()
    assert (site.folder / "nothing").read_bytes() == b""
    assert (site.inside.root / "root/template").read_text() == "vmid 200 in ü\n"
    assert (site.inside.root / "root/secret").read_text() == SECRETS[1]
    assert done.results["script"]["rc"] == 3
    assert done.results["raw"]["stdout_lines"] == ["ärger", "CT290", "0", "/"]
    assert done.results["raw"]["rc"] == 5
    assert done.results["large"]["stdout"].split()[0] == hashlib.sha256(b"x" * 200_000).hexdigest()
    assert site.left() == ""
    told = done.said + site.ledger + (site.folder / "ansible.log").read_text() + site.lab.log.read_text()
    assert not [secret for secret in SECRETS if secret in told]
    assert "/root/template" not in site.ledger


def test_a_module_is_one_command(site: Site) -> None:
    """And the making of a folder for it. Without pipelining there are six, and a file to be written."""
    asked = {}
    for pipelining in (True, False):
        site.lab.requests.clear()
        # somebody for ssh, who is nobody inside
        user: dict[str, Any] = {
            "remote_user": "deploy",
            "vars": {"ansible_user": "admin", "ansible_pipelining": pipelining},
        }
        done = site.play(task("ping", "ping", {}), **user)
        assert done.results["ping"]["ping"] == "pong", done.said
        asked[pipelining] = sum(line.endswith("/agent/exec") for line in site.asked)
    assert asked[True] == 2
    assert asked[False] > 6
    assert site.left() == ""
    assert not list(site.inside.root.glob("~*"))


def test_a_machine_that_boots_is_waited_for_and_has_a_snapshot_first(site: Site) -> None:
    guest = site.lab.state.guests[VMID]
    guest.agent_seconds = float("inf")

    def boot() -> None:
        """Over 2.5 seconds after it was first asked for, however long the play took to come to that."""
        while not any(line.endswith("/agent/exec") for line in site.asked):
            time.sleep(0.02)
        guest.started, guest.agent_seconds = time.time(), 2.5

    threading.Thread(target=boot, daemon=True).start()
    done = site.play(
        task("wait", "wait_for_connection", {"sleep": 0, "timeout": 120}),
        task("raw", "raw", "echo told-to-the-ledger"),
        vars={"proxmox_snapshot_before": "always", "proxmox_record_commands": True},
    )
    assert done.code == 0, done.said
    assert done.results["wait"]["elapsed"] >= 1
    assert [name[:7] for name in guest.snapshots] == ["before_"]
    first = next(n for n, line in enumerate(site.asked) if line.endswith("/agent/exec"))
    assert "POST /nodes/pve1/qemu/200/snapshot" in site.asked[:first]
    assert site.ledger.count("told-to-the-ledger") == 1


def test_20_megabytes_come_and_go_as_they_are(site: Site) -> None:
    data = random.Random(1).randbytes(20_000_000)
    (site.folder / "large").write_bytes(data)
    done = site.play(
        task("put", "copy", {"src": "large", "dest": "/root/large", "mode": "0600"}),
        task("fetch", "fetch", {"src": "/root/large", "dest": "back", "flat": True}),
    )
    assert done.code == 0, done.said
    digest = hashlib.sha256(data).hexdigest()
    assert site.inside.run("sha256sum", "/root/large").stdout.split()[0] == digest
    assert hashlib.sha256((site.folder / "back").read_bytes()).hexdigest() == digest
    assert site.left() == ""
    assert site.ledger.count('"size":20000000') == 2
    assert digest not in site.ledger


def test_output_of_any_kind(site: Site) -> None:
    shout = "head -c 8000000 /dev/zero | tr '\\0' x >&2; printf '\\377\\376ok'"
    done = site.play(
        task("stderr", "raw", shout),
        task("signal", "raw", "kill -9 $$", failed_when=False),
        task("too much", "raw", "head -c 17000000 /dev/zero", ignore_errors=True),
        task("hangs", "raw", "sleep 7.25", ignore_errors=True, vars={"proxmox_command_timeout": 1}),
        task("then", "raw", "echo still here"),
    )
    assert done.code == 0, done.said
    assert len(done.results["stderr"]["stderr"]) == 8_000_000
    assert done.results["stderr"]["stdout"].endswith("ok")
    assert done.results["signal"]["rc"] == 137
    assert "ended with status 0 and wrote more to stdout than the 16 MiB" in done.results["too much"]["msg"]
    assert re.search(
        r"did not end within 1 seconds; it still runs in qemu/200 as process \d+\. Nothing was stopped",
        done.results["hangs"]["msg"],
    )
    assert done.results["then"]["stdout"] == "still here\n"
    assert site.ledger.count('"status":"unknown"') >= 2


def test_becoming_somebody_else(site: Site) -> None:
    """By the agent's root, who is not asked; and by an agent who is, with the right password and with a wrong one."""
    postgres = {"become": True, "become_user": "guest"}
    done = site.play(task("root", "command", "id -un", **postgres), vars={"ansible_become_password": "not-needed"})
    assert done.results["root"]["stdout"] == "guest", done.said
    site.environment["ANSIBLE_BECOME_ALLOW_SAME_USER"] = "1"
    with agent_in(site.inside, "setpriv", "--reuid=1000", "--regid=1000", "--clear-groups") as means:
        guest = site.lab.state.guests[VMID]
        guest.runner, guest.agent_socket = means["runner"], means["agent_socket"]
        done = becoming_with_passwords(site)
    assert done.code == 0, done.said
    assert done.results["sudo"]["stdout"] == "x" * 100_000
    assert done.results["sudo"]["stderr"] == ""
    assert done.results["su"]["stdout"] == "guest"
    assert "sudo did not let us in: Sorry, try again." in done.results["wrong"]["msg"]
    assert site.left() == ""
    told = done.said + site.ledger + (site.folder / "ansible.log").read_text()
    assert "wrong-one" not in told


def becoming_with_passwords(site: Site) -> Result:
    return site.play(
        task("sudo", "command", {"cmd": "cat", "stdin": "x" * 100_000}, become=True),
        task("su", "command", "id -un", become=True, become_method="su", become_user="guest"),
        task("wrong", "command", "id", become=True, ignore_errors=True, vars={"ansible_become_password": "wrong-one"}),
        vars={"ansible_become_password": "guest"},
    )


def test_an_older_api_is_served_too(site: Site, tmp_path: Path) -> None:
    """8.4 reads files from their beginning only."""
    site.lab.app.state.version = "8.4"
    data = os.urandom(3_000_000)
    (site.inside.root / "root/older").write_bytes(data)
    done = site.play(task("fetch", "fetch", {"src": "/root/older", "dest": "back", "flat": True}))
    assert done.code == 0, done.said
    assert (site.folder / "back").read_bytes() == data
    assert sum(line.endswith("/file-read") for line in site.asked) == 1
