# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From the preview to the change: what is in the file is carried out, once, and nothing else is."""

from __future__ import annotations

import json
import sys
from copy import deepcopy
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ansible_collections.steward.proxmox.plugins.plugin_utils._gate import signatures
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from .conftest import Stage

ROOT = Path(__file__).parents[3]
TEMPLATE = "local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst"
SECRET = "very-secret-word"
GROUP = "group/steward.proxmox.proxmox"


def lxc(title: str, vmid: Any, **options: Any) -> dict[str, Any]:
    return {"name": title, "steward.proxmox.lxc": {"vmid": vmid, "node": "pve1", **options}}


def create(title: str, vmid: Any, **options: Any) -> dict[str, Any]:
    return lxc(title, vmid, source={"template": TEMPLATE}, rootfs={"storage": "local-zfs", "size": "4G"}, **options)


CHANGE = lxc("Change", 200, cores=3)
MAKE = create("Make", "{{ vmid }}", name="web2", password=SECRET, state="started") | {"no_log": True}
LOOP = create("Each", None, name="{{ item }}") | {"loop": ["app", "db"]}
AFTERWARDS = lxc("Describe", 200, description="as planned")
WRITES = ["PUT /nodes/pve1/lxc/200/config", "POST /nodes/pve1/lxc", "POST /nodes/pve1/lxc/9001/status/start"]


def written(stage: Stage) -> list[str]:
    return [f"{entry['method']} {entry['path']}" for entry in stage.lab.writes]


def fits_its_schema(document: dict[str, Any]) -> None:
    """Every key that a file has is described, and is as it is described."""
    schema = json.loads((ROOT / "docs" / "plan.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(closed(deepcopy(schema))).validate(document)


def closed(schema: Any) -> Any:
    """The schema, with no room for keys that it does not name."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    shut = {key: closed(item) for key, item in schema.items()}
    if schema.get("type") == "object" and "properties" in schema:
        shut.setdefault("additionalProperties", False)
    return shut


def policy(stage: Stage, key: Ed25519PrivateKey) -> dict[str, str]:
    """A policy that asks for a plan that this key has signed."""
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()
    path = stage.folder / "policy.yml"
    path.write_text(
        f"version: 1\nplan: required\nsignature: required\nsigners: {{alice: {public} alice@example.com}}\n"
    )
    return {"STEWARD_POLICY": str(path)}


def sign(stage: Stage) -> Any:
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"sesame")
    )
    (stage.folder / "key.pem").write_bytes(pem)
    options = {"plan": "plan.json", "key": "key.pem", "passphrase": "sesame", "signer": "Alice"}
    return key, {"name": "Sign", "steward.proxmox.sign_plan": options, "register": "signed"}


def test_what_was_previewed_and_signed_is_what_is_carried_out(stage: Stage) -> None:
    tasks = (CHANGE, MAKE, LOOP, AFTERWARDS)
    defaults = {GROUP: {"lock_timeout": 5, "limits": {"max_cpu": 64}}}
    assert stage.preview(*tasks, vars={"vmid": 9001}).status == 0
    fits_its_schema(stage.json)
    assert [entry["redacted"] for entry in stage.json["plans"]] == [False, True, False, False, False]
    assert SECRET not in stage.text

    key, signing = sign(stage)
    shown = {"name": "Show", "ansible.builtin.debug": {"msg": "{{ signed.changed }} {{ signed.redacted }}"}}
    again = signing | {"failed_when": "signed.changed"}
    unsigned = stage.json
    done = stage.play(signing, shown, again, check=False, files=False, module_defaults=defaults)
    assert done.status == 0, done.output
    assert "True [{'host': 'one', 'task': 'Make'" in done.output
    assert "sesame" not in done.output
    assert {**stage.json, "signatures": []} == unsigned
    assert signatures.verify(stage.json)
    fits_its_schema(stage.json)

    # somebody took the id that the preview chose: another one is the same plan
    assert "lxc/100" in stage.text
    stage.lab.state.guests[100] = deepcopy(stage.lab.state.guests[200])
    environment = policy(stage, key)
    done = stage.apply(*tasks, vars={"vmid": 9001}, environment=environment)
    assert done.status == 0, done.output
    assert written(stage) == [*WRITES, "POST /nodes/pve1/lxc", "POST /nodes/pve1/lxc", WRITES[0]]
    assert {guest.config["hostname"] for guest in stage.lab.state.guests.values()} == {"web", "web2", "app", "db"}
    fits_its_schema(stage.applied)
    assert (stage.applied["applies"], stage.applied["not_applied"]) == (stage.json["id"], [])

    stage.lab.reset()  # as if somebody had put all back
    done = stage.apply(CHANGE, environment=environment)
    assert done.status == 2
    assert "'update lxc/200 web on pve1' of task 'Change'" in done.output
    assert "was used at" in done.output
    assert written(stage) == []


def test_what_changed_behind_its_back_is_named_and_nothing_is_sent(stage: Stage) -> None:
    assert stage.preview(CHANGE, AFTERWARDS).status == 0
    stage.lab.state.guests[200].config["cores"] = 4
    done = stage.apply(CHANGE | {"ignore_errors": True}, AFTERWARDS)
    assert "is not what" in done.output
    assert "lxc/200 has changed since: cores 2 -> 4. Nothing was sent. Make a new plan with --check" in done.output
    # the second one is as it was planned, but for the first one
    assert "lxc/200 was to be changed by an earlier task of the plan, and this run has not done so" in done.output
    assert "[WARNING]: steward.proxmox plan: 2 planned changes not made: one / Change: update lxc/200" in done.output
    assert [left["entry"] for left in stage.applied["not_applied"]] == [0, 1]
    assert (done.status, written(stage)) == (2, [])


def test_a_run_that_chose_something_else_is_not_started(stage: Stage) -> None:
    assert stage.preview(CHANGE).status == 0
    done = stage.apply(CHANGE, environment={"ANSIBLE_RUN_TAGS": "always"})
    assert done.status == 74
    assert "was made with --tags all, and this run has --tags always. Nothing was started" in " ".join(
        done.output.split()
    )
    assert "TASK [" not in done.output
    stage.callbacks = "steward.proxmox.ledger"  # without the other, each task finds it out by itself
    ledger = {"STEWARD_LEDGER_PATH": str(stage.folder / "ledger")}
    done = stage.apply(CHANGE | {"tags": "always"}, environment={"ANSIBLE_RUN_TAGS": "always", **ledger})
    assert done.status == 2
    assert "this run has --tags always. Nothing was sent" in " ".join(done.output.split())
    (recorded,) = (stage.folder / "ledger" / "runs").iterdir()
    assert '"type":"refused"' in recorded.read_text()
    assert written(stage) == []


@pytest.mark.slow
def test_a_plan_is_carried_out_by_a_module_on_a_target_too(stage: Stage) -> None:
    remote = {
        "ANSIBLE_CONNECTION_PLUGINS": str(ROOT / "tests" / "parity" / "plugins" / "connection"),
        "ANSIBLE_REMOTE_TEMP": str(stage.folder / "tmp"),
        "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
    }
    assert stage.preview(CHANGE, MAKE, vars={"vmid": 9001}).status == 0
    done = stage.apply(CHANGE, MAKE, vars={"vmid": 9001}, environment=remote, connection="lab_remote")
    assert done.status == 0, done.output
    assert written(stage) == WRITES
    assert stage.applied["not_applied"] == []
