# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The modules ledger_key and ledger_checkpoint, and jobs that sign what they print."""

import json
from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger import note
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.note import Checkpoint

from .conftest import Site
from .test_recording import change

KEY, SIGN = "steward.proxmox.ledger_key", "steward.proxmox.ledger_checkpoint"


def ask(site: Site, *tasks: dict[str, Any]) -> list[dict[str, Any]]:
    """What these tasks return, in a run that is not recorded itself."""
    asked = [
        {"name": "Ask", "ignore_errors": True, "register": f"r{number}"} | task for number, task in enumerate(tasks)
    ]
    results = ", ".join(str(task["register"]) for task in asked)
    kept = {"dest": str(site.folder / "results"), "content": "{{ [" + results + "] | to_json }}"}
    before = dict(site.environment)
    site.environment["ANSIBLE_CALLBACKS_ENABLED"] = "ansible.builtin.default"
    done = site.play(*asked, {"name": "Keep", "ansible.builtin.copy": kept}, hosts="h1")
    site.environment = before
    assert done.status == 0, done.output
    found: list[dict[str, Any]] = json.loads((site.folder / "results").read_text())
    return found


@pytest.fixture
def key(site: Site) -> dict[str, str]:
    return {"path": str(site.ledger), "key": str(site.folder / "key")}


def test_jobs_print_what_their_key_signs_also_after_it_was_rotated(site: Site, key: dict[str, str]) -> None:
    (made,) = ask(site, {KEY: key})
    assert (made["changed"], made["failed"]) == (True, False), made
    site.configuration += f"key = {key['key']}\nsinks = file:{site.folder}/witness\n"
    done = site.play(change(), hosts="h1")
    printed = list(note.find(done.output))
    assert [Checkpoint.parse(found)[0].size for found in printed] == [2, 3]  # after the key: open, close
    assert all(note.verify(found, made["vkey"]) for found in printed)

    rotated, again, listed = ask(
        site, {KEY: {**key, "state": "rotated"}}, {KEY: key}, {KEY: {"path": key["path"], "state": "listed"}}
    )
    assert (rotated["changed"], again["changed"], listed["changed"]) == (True, False, False)
    assert again["vkey"] == rotated["vkey"] != made["vkey"]
    assert listed["signing_keys"] == again["signing_keys"] == rotated["signing_keys"]
    assert [(row["vkey"], row["replaces"], row["endorsed"]) for row in listed["signing_keys"]] == [
        (made["vkey"], None, False),
        (rotated["vkey"], made["vkey"], True),
    ]
    assert note.verify(rotated["checkpoint"], made["vkey"])
    assert note.verify(rotated["checkpoint"], rotated["vkey"])
    done = site.play(change("more"), hosts="h1")
    later = list(note.find(done.output))
    assert [note.verify(found, rotated["vkey"]) for found in later] == [True, True]

    told = [made["checkpoint"], *printed, rotated["checkpoint"], *later]
    assert list(note.find((site.ledger / "checkpoints").read_text())) == told
    assert list(note.find((site.folder / "witness").read_text())) == told[1:]
    secret = (site.folder / "key").read_text().strip().split("+", 4)[4]
    assert not [path for path in site.ledger.rglob("*") if path.is_file() and secret in path.read_text()]

    log = site.ledger / "log.jsonl"
    log.write_bytes(b"".join(log.read_bytes().splitlines(keepends=True)[:-1]))
    done = site.play(change("not this"), hosts="h1")
    assert done.status == 74, done.output
    assert "fewer than the 6 entries" in done.output
    assert site.changes == ["h1", "more"]


def test_the_log_is_signed_where_the_key_is(site: Site, key: dict[str, str]) -> None:
    witness = {**key, "sinks": [f"file:{site.folder}/witness"]}
    unmounted = {**key, "sinks": [f"file:{site.folder}/missing/witness"], "pin": str(site.folder / "pin")}
    _made, foreseen, signed, again, missed, lost = ask(
        site,
        {KEY: key},
        {SIGN: witness, "check_mode": True},
        {SIGN: witness},
        {SIGN: witness},
        {SIGN: unmounted},
        {SIGN: {**key, "path": str(site.folder / "nowhere")}},
    )
    assert [result["changed"] for result in (foreseen, signed, again)] == [True, True, False], signed
    assert note.verify(signed["checkpoint"], signed["vkey"])
    assert signed["checkpoint"] == again["checkpoint"] == (site.folder / "witness").read_text().removesuffix("\n")
    assert (missed["failed"], missed["changed"], missed["checkpoint"]) == (True, True, signed["checkpoint"])
    assert "missing/witness: No such file or directory" in missed["msg"]
    assert lost["failed"]
    assert not (site.folder / "nowhere").exists()

    (site.ledger / "log.jsonl").write_bytes(b"")
    no_key, refused = ask(site, {SIGN: {"path": key["path"]}}, {SIGN: witness})
    assert "key: no signing key is named" in no_key["msg"]
    assert "its log has 0 entries, and this key has signed 1: it was cut off, or rolled back" in refused["msg"]
