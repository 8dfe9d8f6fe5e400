# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets that a run is given, and one that it is told: in no byte of what it writes, prints, or starts."""

from __future__ import annotations

import base64
import hmac
import json
import os
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote

import pytest

from .conftest import RECORDING_BROKE, REMOTE, Site, update

#: the key of the fingerprints
KEY = "5a" * 32
PEM = "-----BEGIN PRIVATE KEY-----\n{}\n{}\n-----END PRIVATE KEY-----\n".format("Q2FuYXJ5" * 8, "S2V5UGVt" * 8)
#: a file of variables: Ansible itself shows the lines of a playbook beside an error
SECRETS = {
    "of_container": "canary-Container-1",
    "of_cloud_init": "canary-Cloud-2",
    "of_user": "canary-User-3",
    "echoed": "canary-Echoed-4",  # by the server, in its error message
    "signing_in": "canary-Sign-In-5",
    "pem": PEM,
}
TEMPLATE = "local:vztmpl/alpine-3.20-default_20240606_amd64.tar.gz"
USER: dict[str, Any] = {
    "method": "post",
    "path": "/access/users",
    "creates": "/access/users/second@pve",
    "data": {"userid": "second@pve"},
}
CONFIG = {"method": "put", "path": "/nodes/pve1/lxc/200/config"}
ON_TARGET = {"connection": "lab_remote"}
FAILS = {"ignore_errors": True}


def task(module: str, _how: dict[str, Any] | None = None, **options: Any) -> dict[str, Any]:
    return {"name": f"Task {module}", f"steward.proxmox.{module}": options} | (_how or {})


def new_lxc(vmid: int, _how: dict[str, Any] | None = None) -> dict[str, Any]:
    options: dict[str, Any] = {"source": {"template": TEMPLATE}, "rootfs": {"storage": "local", "size": "1G"}}
    return task("lxc", _how, vmid=vmid, node="pve1", password="{{ of_container }}", **options)


TASKS = [
    new_lxc(900),
    new_lxc(901, ON_TARGET),
    task(
        "vm",
        {"loop": ["{{ of_cloud_init }}"], "no_log": True},
        vmid=902,
        node="pve1",
        cloud_init={"storage": "local-zfs", "user": "admin", "password": "{{ item }}"},
    ),
    task("api", secrets={"password": "{{ of_user }}"}, **USER),
    task("api", {"register": "shown"}, secrets={"description": "{{ pem }}"}, **CONFIG),
    task("api", FAILS, secrets={"cores": "{{ echoed }}"}, **CONFIG),
    task("api", FAILS | ON_TARGET, secrets={"cores": "{{ echoed }}"}, **CONFIG),
    task("api", secrets={"cores": 2}, method="put", path="/nodes/pve1/lxc/201/config"),  # like a part of much else
    task("user", userid="canary@pve"),
    task("token", {"register": "made"}, userid="canary@pve", tokenid="canary"),
    task("lxc", FAILS, vmid=200, cores=2, api_user="canary@pve", api_password="{{ signing_in }}"),
    {"name": "What later tasks see of it", "ansible.builtin.debug": {"var": "shown"}},
]


def disguises(secret: str) -> set[str]:
    """The forms in which a secret travels: as it is, line by line, in JSON, in a URL, in base64."""
    lines = {line for line in secret.splitlines() if "PRIVATE KEY" not in line}
    return {
        *lines,
        json.dumps(secret)[1:-1],
        quote(secret, safe=""),
        base64.b64encode(secret.encode()).decode(),
        base64.b64encode(secret.encode()).decode().rstrip("="),
    }


class Watch:
    """Looks at every process of the run, which has this directory in its environment, and at files in there.

    Other processes of the machine are other tests, whose secrets are their own.
    """

    def __init__(self, directory: Path) -> None:
        self.seen = ""
        self._directory = directory
        self._ended = threading.Event()

    @contextmanager
    def watching(self) -> Iterator[None]:
        thread = threading.Thread(target=self._look)
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            thread.join()

    def _look(self) -> None:
        found: set[bytes] = set()
        while not self._ended.wait(0.01):
            for path in [*Path("/proc").glob("[0-9]*/cmdline"), *self._files()]:
                try:
                    if path.name != "cmdline" or self._is_ours(path.with_name("environ")):
                        found.add(path.read_bytes())
                except OSError:  # it has ended meanwhile
                    continue
        self.seen = b"\n".join(found).decode("utf-8", "replace")

    def _files(self) -> Iterator[Path]:
        """Those that are there now: the run makes and removes them meanwhile."""
        for folder in self._directory.glob("steward-proxmox-*"):
            with suppress(OSError):
                yield from [folder / name for name in os.listdir(folder)]

    def _is_ours(self, environment: Path) -> bool:
        return os.fsencode(self._directory) in environment.read_bytes()


@pytest.fixture
def careful(site: Site) -> Iterator[Site]:
    """A site where every place that could tell a secret is used."""
    key = site.folder / "fingerprint.key"
    key.write_text(KEY)
    key.chmod(0o600)
    site.variables |= {
        "ANSIBLE_CALLBACKS_ENABLED": "steward.proxmox.ledger,steward.proxmox.plan",
        "ANSIBLE_CONNECTION_PLUGINS": str(REMOTE),
        "ANSIBLE_INJECT_INVOCATION": "1",
        "ANSIBLE_REMOTE_TMP": str(site.folder / "tmp"),
        "STEWARD_LEDGER_FINGERPRINT_KEY": str(key),
        "STEWARD_PLAN_JSON": str(site.folder / "plan.json"),
        "STEWARD_PLAN_MARKDOWN": str(site.folder / "plan.md"),
    }
    # not in the folder: ansible-core makes a socket there, whose path may have 107 characters
    with TemporaryDirectory(prefix="run-") as temporary:
        site.variables["TMPDIR"] = temporary
        yield site


@pytest.mark.parametrize("mode", [pytest.param("--check", marks=pytest.mark.slow), "--diff"])
def test_no_secret_is_seen_anywhere(careful: Site, mode: str) -> None:
    (careful.folder / "secrets.yml").write_text(json.dumps(SECRETS))
    temporary = Path(careful.variables["TMPDIR"])
    watch = Watch(temporary)
    with watch.watching():
        done = careful.play(
            *TASKS,
            arguments=("-vvv", mode, "-e", "@secrets.yml"),
            vars={"ansible_python_interpreter": sys.executable},
        )
    assert done.status == 0, done.output
    # the secrets were there, and the watch saw what it is to see
    assert "secrets.yml" in watch.seen
    assert '"blast_radius"' in watch.seen
    assert "canary@pve was not accepted" in done.told
    assert ("type check ('integer') failed - got '********'" in done.told) == (mode == "--diff")
    told = careful.lab.state.users["canary@pve"]["tokens"]["canary"]["secret"] if mode == "--diff" else KEY
    written = [path for folder in (careful.folder, temporary) for path in folder.rglob("*") if is_written(path)]
    places = {
        **{str(path): path.read_text(errors="replace") for path in written},
        "the output": done.output,
        "the output without breaks": re.sub(r"\s", "", done.output),
        "processes and files that are gone": watch.seen,
    }
    secrets = [*SECRETS.values(), told, KEY, careful.lab.credentials["admin"]["api_token_secret"]]
    forms = {form for secret in secrets for form in disguises(secret)}
    assert [(place, form) for form in forms for place, text in places.items() if form in text] == []


def is_written(path: Path) -> bool:
    """By the run, and not by the test."""
    return path.is_file() and path.name not in ("secrets.yml", "fingerprint.key")


def test_a_fingerprint_tells_which_secret_it_was(careful: Site) -> None:
    """To whoever has the key, and nothing of the connection."""
    (careful.folder / "secrets.yml").write_text(json.dumps(SECRETS))
    done = careful.play(TASKS[0], TASKS[2], arguments=("-e", "@secrets.yml"))
    assert done.status == 0, done.output
    found = [frame["fingerprints"] for frame in careful.frames if frame["type"] == "intent"]
    assert found == [
        {"password": fingerprint(SECRETS["of_container"])},
        {"cloud_init.password": fingerprint(SECRETS["of_cloud_init"])},
    ]


def fingerprint(secret: str) -> str:
    return f"hmac-sha256:{hmac.new(bytes.fromhex(KEY), secret.encode(), 'sha256').hexdigest()}"


def test_a_fingerprint_key_that_others_can_read_stops_the_run(careful: Site) -> None:
    (careful.folder / "fingerprint.key").chmod(0o644)
    done = careful.play(update())
    assert (done.status, done.sent) == (RECORDING_BROKE, [])
    assert "chmod 600" in done.told
