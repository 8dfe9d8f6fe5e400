# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A stand-in for the command `pct`, with real containers behind it. Texts and exit statuses: pve-container 6.1.10.

What it differs in: a container has no network, `local`, `local-lvm` and `local-zfs` are folders, and of the templates
there is one with busybox and one with the machine's own programs.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from . import lxc

BUSYBOX = "local:vztmpl/alpine-3.20-default_20240606_amd64.tar.gz"
PYTHON = "local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst"
_VOLUMES = {
    "local": "local:{vmid}/vm-{vmid}-disk-0.raw",
    "local-lvm": "local-lvm:vm-{vmid}-disk-0",
    "local-zfs": "local-zfs:subvol-{vmid}-disk-0",
}
_USAGE = "\npct create <vmid> <ostemplate> [OPTIONS]"


class Died(Exception):
    """The last words of the command, and its status."""

    def __init__(self, text: str, status: int = 255) -> None:
        super().__init__(text)
        self.status = status


class Node:
    """The folder of a node: configurations, containers, and the log of calls."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.name = (place / "name").read_text()

    def file(self, vmid: str) -> Path:
        return self.place / "configs" / f"{vmid}.conf"

    def config(self, vmid: str) -> dict[str, str]:
        try:
            lines = self.file(vmid).read_text().splitlines()
        except FileNotFoundError:
            raise Died(f"Configuration file 'nodes/{self.name}/lxc/{vmid}.conf' does not exist", 2) from None
        return dict(line.split(": ", 1) for line in lines)

    def write(self, vmid: str, config: dict[str, str]) -> None:
        self.file(vmid).write_text("".join(f"{key}: {value}\n" for key, value in sorted(config.items())))

    def container(self, vmid: str) -> lxc.Container:
        self.config(vmid)
        return lxc.Container(self.place, vmid)

    def running(self, vmid: str, otherwise: str) -> lxc.Container:
        container = self.container(vmid)
        if not container.is_running():
            raise Died(otherwise)
        return container

    def stopped(self, vmid: str, otherwise: str) -> lxc.Container:
        container = self.container(vmid)
        if container.is_running():
            raise Died(otherwise)
        return container


# -- commands --------------------------------------------------------------------------------------------------------


def listed(node: Node, _words: list[str]) -> None:
    row = "{:<10} {:<10} {:<12} {:<20}"
    print(row.format("VMID", "Status", "Lock", "Name"))
    for vmid in sorted((file.stem for file in node.place.glob("configs/*.conf")), key=int):
        status = "running" if node.container(vmid).is_running() else "stopped"
        print(row.format(vmid, status, "", node.config(vmid)["hostname"]))


def config(node: Node, words: list[str]) -> None:
    for key, value in node.config(words[0]).items():
        print(f"{key}: {value}")


def status(node: Node, words: list[str]) -> None:
    print("status:", "running" if node.container(words[0]).is_running() else "stopped")


def start(node: Node, words: list[str]) -> None:
    container = node.stopped(words[0], f"CT {words[0]} already running")
    told = node.config(words[0])
    container.start(told["hostname"], _pairs(told.get("features", "")))


def stop(node: Node, words: list[str]) -> None:
    node.running(words[0], f"CT {words[0]} not running").stop()


def destroy(node: Node, words: list[str]) -> None:
    vmid = words[0]
    node.stopped(vmid, f"unable to destroy CT {vmid} - container is running").destroy()
    node.file(vmid).unlink()


def change(node: Node, words: list[str]) -> None:
    (vmid,), options = _parsed(words, 1)
    node.write(vmid, {**node.config(vmid), **_checked(options)})


def execute(node: Node, words: list[str]) -> None:
    vmid, rest, keep = words[0], words[1:], True  # as before version 9
    while rest and rest[0].startswith("--"):
        option = rest.pop(0)
        if option == "--":
            break
        if option.partition("=")[0] != "--keep-env":
            raise Died(f"Unknown option: {option[2:]}\n400 unable to parse option")
        keep = (option.partition("=")[2] or rest.pop(0)) == "1"
    container = node.running(vmid, f"container '{vmid}' not running!")
    line = container.attach(*rest, keep_env=keep)
    os.execv(line[0], line)


def push(node: Node, words: list[str]) -> None:
    (vmid, source, target), options = _parsed(words, 3)
    container = node.running(vmid, "can only push files to a running CT")
    script = 'cat >"$1" && chmod "$2" "$1" && chown "$3" "$1"'
    owner = f"{options.get('user', '0')}:{options.get('group', '0')}"
    line = container.attach("/bin/sh", "-c", script, "sh", target, options.get("perms", "0644"), owner)
    try:
        with Path(source).open("rb") as file:
            done = subprocess.run(line, stdin=file, check=False, capture_output=True, text=True)
    except OSError as error:
        raise Died(f"failed to open {source} for reading: {error.strerror}", 2) from None
    if done.returncode:
        raise Died(f"failed to open {target}: {done.stderr.strip().rpartition(': ')[2]}")


def pull(node: Node, words: list[str]) -> None:
    (vmid, source, target), _options = _parsed(words, 3)
    container = node.running(vmid, "can only pull files from a running CT")
    if subprocess.run(container.attach("/bin/test", "-e", source), check=False).returncode:
        print(f"failed to open {source}: No such file or directory", file=sys.stderr)
        return  # with status 0, as the real one
    with Path(target).open("wb") as file:
        subprocess.run(container.attach("/bin/cat", source), stdout=file, check=True)


def create(node: Node, words: list[str]) -> None:
    (vmid, template), options = _parsed(words, 2)
    wanted = _checked(options)
    if not re.fullmatch(r"[1-9][0-9]{2,8}", vmid):
        raise _bad("vmid", "invalid format - value does not look like a valid VM ID")
    if node.file(vmid).exists():
        raise Died(f"CT {vmid} already exists on node '{node.name}'")
    storage, _colon, size = wanted.get("rootfs", "local:4").partition(":")
    for name in (template.partition(":")[0], storage):
        if name not in _VOLUMES:
            raise Died(f"storage '{name}' does not exist")
    if not size:
        raise Died(f"unable to parse volume ID '{storage}'")
    volume = _VOLUMES[storage].format(vmid=vmid)
    print(f"Formatting '/var/lib/vz/images/{vmid}/vm-{vmid}-disk-0.raw', fmt=raw size={int(float(size) * 1024**3)}")
    if template not in (BUSYBOX, PYTHON):
        gone = f"volume '{template}' does not exist"
        raise Died(f"{gone}\nunable to create CT {vmid} - {gone}")
    if wanted.get("unprivileged") != "1":
        raise Died(f"unable to create CT {vmid} - this node of a test makes unprivileged containers only")
    print("extracting archive", f"'/var/lib/vz/template/cache/{template.partition('/')[2]}'")
    print("Detected container architecture: amd64")
    told = {
        "arch": "amd64",
        "hostname": f"CT{vmid}",
        "memory": "512",
        "ostype": template.partition("/")[2].partition("-")[0],
        "swap": "512",
        **wanted,
        "rootfs": f"{volume},size={size}G",
    }
    lxc.Container(node.place, vmid).make(told["hostname"], with_machine=template == PYTHON)
    node.write(vmid, told)


COMMANDS: dict[str, tuple[int, Callable[[Node, list[str]], None]]] = {
    "config": (1, config),
    "create": (2, create),
    "destroy": (1, destroy),
    "exec": (2, execute),
    "list": (0, listed),
    "pull": (3, pull),
    "push": (3, push),
    "set": (1, change),
    "shutdown": (1, stop),
    "start": (1, start),
    "status": (1, status),
    "stop": (1, stop),
}


# -- words -----------------------------------------------------------------------------------------------------------


def _parsed(words: list[str], count: int) -> tuple[list[str], dict[str, str]]:
    """Positional words first, then options; a list, as nameserver, has its words apart."""
    plain, options, name = [], {}, ""
    for word in words:
        if word.startswith("--"):
            name, _equals, value = word[2:].partition("=")
            options[name] = value
        elif name:
            options[name] = f"{options[name]} {word}".strip()
        else:
            plain.append(word)
    if len(plain) != count:
        raise Died("400 not enough arguments" if len(plain) < count else "400 too many arguments")
    return plain, options


def _checked(options: dict[str, str]) -> dict[str, str]:
    """Some of what the real schema refuses."""
    for name, value in options.items():
        if re.fullmatch(r"net[0-9]+", name):
            options[name] = _nic(value)
        if name == "hostname" and not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?", value):
            raise _bad(name, "invalid format - value does not look like a valid DNS name")
    for name, value in _pairs(options.get("features", "")).items():
        if value not in ("0", "1"):
            told = f"features.{name}: type check ('boolean') failed - got '{value}'"
            raise Died(f"400 Parameter verification failed.\nfeatures: invalid format - format error\n{told}\n{_USAGE}")
    return options


def _nic(value: str) -> str:
    """With what the node adds; the name comes first."""
    pairs = {"hwaddr": "BC:24:11:2A:51:01", "type": "veth", **_pairs(value)}
    return ",".join(f"{key}={pairs[key]}" for key in sorted(pairs, key=lambda key: (key != "name", key)))


def _pairs(value: str) -> dict[str, str]:
    return {key: told for key, _equals, told in (pair.partition("=") for pair in value.split(",") if pair)}


def _bad(name: str, why: str) -> Died:
    return Died(f"400 Parameter verification failed.\n{name}: {why}\n{_USAGE}")


def main(place: str, argv: list[str]) -> int:
    with Path(place, "calls").open("a") as log:
        log.write(json.dumps(argv) + "\n")
    node = Node(Path(place))
    command, words = (argv or ["help"])[0], argv[1:]
    try:
        if command not in COMMANDS:
            raise Died(f"ERROR: unknown command 'pct {command}'\nUSAGE: pct <COMMAND> [ARGS] [OPTIONS]")
        least, run = COMMANDS[command]
        if len(words) < least:
            raise Died(f"400 not enough arguments\npct {command} <vmid>")
        run(node, words)
    except Died as died:
        sys.stdout.flush()
        print(died, file=sys.stderr)
        return died.status
    return 0
