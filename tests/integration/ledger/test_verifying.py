# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module verify_ledger and its playbook, on ledgers that real runs wrote."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.ledger.forger import LedgerForger

from .conftest import Done, Site
from .test_recording import change

PLAYBOOK = "steward.proxmox.verify_ledger"


@pytest.fixture
def recorded(site: Site) -> Done:
    """A site with a run in its ledger, and from now on without recording."""
    done = site.play(change("secret-9001"), hosts="h1")
    site.environment["ANSIBLE_CALLBACKS_ENABLED"] = "ansible.builtin.default"
    return done


def run_file(site: Site) -> Path:
    (path,) = (site.ledger / "runs").iterdir()
    return path


def verified(site: Site, arguments: tuple[str, ...] = (), **options: Any) -> dict[str, Any]:
    verify = {"steward.proxmox.verify_ledger": options, "register": "result", "ignore_errors": True}
    copy = {"ansible.builtin.copy": {"dest": str(site.folder / "result"), "content": "{{ result | to_json }}"}}
    done = site.play(
        {"name": "Verify"} | verify, {"name": "Show", "check_mode": False} | copy, hosts="h1", arguments=arguments
    )
    assert done.status == 0, done.output
    return json.loads((site.folder / "result").read_text())


@pytest.mark.parametrize("arguments", [(), ("--check",)], ids=["real", "check"])
def test_an_intact_ledger(site: Site, recorded: Done, arguments: tuple[str, ...]) -> None:
    result = verified(site, arguments, expected_head=recorded.heads)
    assert (result["verdict"], result["exit_status"], result["failed"]) == ("intact", 0, False), result
    assert (result["changed"], result["runs"], result["records"]) == (False, 1, 4)
    assert result["heads"] == recorded.heads
    assert result["path"] == str(site.ledger)


def test_a_tampered_record_is_named(site: Site, recorded: Done) -> None:
    path = run_file(site)
    path.write_bytes(path.read_bytes().replace(b"secret-9001", b"secret-9002", 1))
    result = verified(site, path=str(path))
    assert (result["verdict"], result["exit_status"], result["failed"]) == ("tampered", 1, True)
    (problem,) = result["problems"]
    assert (problem["file"], problem["record"]) == (str(path), 2)


def test_only_what_the_job_printed_tells(site: Site, recorded: Done) -> None:
    """A forger who makes the whole ledger tell another story, and the output of the job."""
    (head,) = recorded.heads.values()
    job = site.folder / "job.log"
    job.write_text(recorded.output)
    result = verified(site, expected_head=f"sha256:{head}", checkpoints=[str(job)])
    assert (result["verdict"], result["entries"], result["checkpoints"]) == ("intact", 2, 4)
    forger = LedgerForger(site.ledger)
    (run,) = forger.runs.values()
    run.lines[1] = run.lines[1].replace(b"secret-9001", b"secret-9002")
    forger.recompute_chains()
    forger.recompute_log()
    forger.save()
    assert verified(site)["verdict"] == "intact"
    result = verified(site, expected_head=head, checkpoints=[recorded.output])
    assert (result["verdict"], result["exit_status"], result["failed"]) == ("tampered", 1, True)
    assert "only the head caught it" in result["problems"][0]["reason"]
    assert "there is a checkpoint of 2 other entries" in result["problems"][-1]["reason"]


def test_an_incomplete_ledger_fails_unless_that_is_allowed(site: Site, recorded: Done) -> None:
    """As if the run had been killed between intent and outcome."""
    for path in (run_file(site), site.ledger / "log.jsonl", site.ledger / "checkpoints"):
        path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[: 1 if path.name == "log.jsonl" else 2]))
    result = verified(site)
    assert (result["verdict"], result["exit_status"], result["failed"]) == ("incomplete", 2, True)
    assert result["dangling"][0]["target"] == "lxc/secret-9001"
    assert not verified(site, allow_incomplete=True)["failed"]
    run_file(site).write_bytes(b"x\n")
    assert verified(site, allow_incomplete=True)["failed"]


def test_what_cannot_be_verified_fails(site: Site, recorded: Done) -> None:
    wrong = [{"path": "/nowhere"}, {"expected_head": ["a"]}, {"checkpoints": ["/nowhere"]}, {"public_keys": ["x"]}]
    verify = {"args": "{{ item }}", "loop": [*wrong, {"pth": "x"}], "register": "result", "ignore_errors": True}
    copy = {"ansible.builtin.copy": {"dest": str(site.folder / "result"), "content": "{{ result.results | to_json }}"}}
    assert site.play({"steward.proxmox.verify_ledger": None} | verify, copy, hosts="h1").status == 0
    *results, unsupported = json.loads((site.folder / "result").read_text())
    found = [(result["verdict"], result["exit_status"], result["failed"]) for result in results]
    assert found == [("unverifiable", 3, True)] * len(wrong)
    assert "Unsupported parameters" in unsupported["msg"]


def test_the_defaults_of_the_action_group_do_not_disturb(site: Site, recorded: Done) -> None:
    task = {"name": "Verify", "steward.proxmox.verify_ledger": {}}
    defaults = {"group/steward.proxmox.proxmox": {"api_host": "pve1", "validate_certs": True, "lock_timeout": 5}}
    done = site.play(task, hosts="h1", module_defaults=defaults)
    assert done.status == 0, done.output


def test_the_playbook_tells_in_one_look(site: Site, recorded: Done) -> None:
    (head,) = recorded.heads.values()
    (site.folder / "job.log").write_text(recorded.output)
    known = f"expected_head={head} checkpoint=job.log"
    good = site.finish(site.start("ansible-playbook", PLAYBOOK, "-e", known))
    assert good.status == 0, good.output
    assert "intact: runs 1, records 4" in good.output
    run_file(site).write_bytes(b"x\n")
    bad = site.finish(site.start("ansible-playbook", PLAYBOOK, "-e", f"ledger_path={site.ledger}"))
    assert bad.status == 2
    assert f"{run_file(site)}: record 1: the line is not a record" in bad.output


def test_the_run_that_verifies_its_own_ledger_may_be_open(site: Site, recorded: Done) -> None:
    site.environment["ANSIBLE_CALLBACKS_ENABLED"] = "steward.proxmox.ledger"
    done = site.finish(site.start("ansible-playbook", PLAYBOOK))
    assert done.status == 0, done.output
