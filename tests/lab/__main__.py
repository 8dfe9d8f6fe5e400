# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lab's command line: python -m tests.lab start|stop|status|run --dir DIR."""

from __future__ import annotations

import argparse
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import yaml

from .files import read_description
from .server import Lab

ROOT = Path(__file__).resolve().parents[2]


def run(options: argparse.Namespace) -> int:
    """Serves in the foreground until SIGTERM or SIGINT."""
    directory = prepare(options.dir)
    seed = yaml.safe_load(options.seed.read_text(encoding="utf-8")) if options.seed else None
    lab = Lab(seed, options.task_seconds, directory=directory, port=options.port)
    lab.run()
    return 0


def prepare(directory: Path) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    return directory.resolve()


def start(options: argparse.Namespace) -> int:
    """Starts a lab in the background and returns when it answers."""
    directory = prepare(options.dir)
    if running_pid(directory):
        print(f"a lab already runs in {directory}", file=sys.stderr)
        return 1
    (directory / "lab.json").unlink(missing_ok=True)
    command = [
        sys.executable,
        "-m",
        "tests.lab",
        "run",
        "--dir",
        str(directory),
        "--port",
        str(options.port),
        "--task-seconds",
        str(options.task_seconds),
    ]
    if options.seed:
        command += ["--seed", str(options.seed.resolve())]
    with (directory / "lab.out").open("w", encoding="utf-8") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        if answers(directory):
            print(directory / "lab.json")
            return 0
        time.sleep(0.02)
    print(f"the lab did not start, see {directory / 'lab.out'}", file=sys.stderr)
    process.kill()
    return 1


def answers(directory: Path) -> bool:
    found = read_description(directory)
    if not found:
        return False
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((found["host"], found["port"])) == 0


def running_pid(directory: Path) -> int | None:
    """The process of this directory's lab, if it runs."""
    found = read_description(directory)
    return int(found["pid"]) if found and is_lab(int(found["pid"]), directory) else None


def is_lab(pid: int, directory: Path) -> bool:
    """Whether the pid is still this lab's: it may have been given to somebody else. The dead have no command line."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return b"tests.lab" in words and str(directory).encode() in words


def stop(options: argparse.Namespace) -> int:
    """Ends this directory's lab, and no other process."""
    directory = options.dir.resolve()
    pid = running_pid(directory)
    if pid is None:
        print("no lab runs here")
        return 0
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + 20
    while is_lab(pid, directory) and time.monotonic() < deadline:
        time.sleep(0.02)
    if is_lab(pid, directory):
        os.kill(pid, signal.SIGKILL)
    (directory / "lab.json").unlink(missing_ok=True)
    return 0


def status(options: argparse.Namespace) -> int:
    pid = running_pid(options.dir.resolve())
    found = read_description(options.dir.resolve())
    if not pid or not found:
        print("stopped")
        return 3
    print(f"running: pid {pid}, https://{found['host']}:{found['port']}")
    return 0


COMMANDS = {"run": run, "start": start, "stop": stop, "status": status}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.lab", description=__doc__)
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("--dir", type=Path, required=True, help="where the lab keeps its files")
    parser.add_argument("--seed", type=Path, help="a YAML file that is laid over the lab's own seed")
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    parser.add_argument("--task-seconds", type=float, default=0.05, help="how long each task takes")
    options = parser.parse_args()
    return COMMANDS[options.command](options)


if __name__ == "__main__":
    sys.exit(main())
