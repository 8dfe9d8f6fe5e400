# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From a preview in CI to its apply: exactly the plan, once, or nothing of what differs."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger import verify
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from .conftest import Site, destroy, lxc

NEW: dict[str, Any] = {
    "node": "pve1",
    "name": "new",
    "source": {"template": "local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst"},
    "rootfs": {"storage": "local-zfs", "size": "4G"},
}
TASKS = (lxc("Change", 200, cores=3), lxc("Make", 900, **NEW), destroy(201))
STRICT = {"plan": "required"}


def test_exactly_the_plan_and_once(site: Site) -> None:
    without = site.play(*TASKS, policy=STRICT)
    assert (without.status, without.sent) == (2, [])
    assert "Only what is in a saved plan may be changed" in without.refusals[0]

    preview = site.preview(*TASKS, policy=STRICT)
    assert (preview.status, preview.sent) == (0, []), preview.output
    steps = [step for entry in site.plan["plans"] for step in entry["plan"]["steps"]]

    applied = site.apply(*TASKS, policy=STRICT)
    assert applied.status == 0, applied.output
    assert applied.sent == [(step["method"], step["path"]) for step in steps]
    digests = [entry["plan"]["digest"] for entry in site.plan["plans"]]
    assert [intent["plan"]["digest"] for intent in applied.intents] == digests
    assert {intent["permit"]["plan"] for intent in applied.intents} == {site.plan["id"]}

    settled = site.apply(*TASKS, policy=STRICT)
    assert (settled.status, settled.sent) == (0, [])
    assert "changed=0" in settled.output

    site.lab.reset()  # all is as it was when the plan was made
    again = site.apply(*TASKS, policy=STRICT)
    assert (again.status, again.sent) == (2, [])
    assert "'update lxc/200 web on pve1' of task 'Change'" in again.refusals[0]
    assert f"by run {applied.run_id}" in again.refusals[0]
    assert site.verdict() == verify.INTACT


def test_what_changed_behind_its_back_is_refused_and_named(site: Site) -> None:
    tasks = (lxc("Describe", 202, description="a cache"), lxc("Change", 200, cores=3), destroy(201))
    assert site.preview(*tasks).status == 0
    site.lab.state.guests[200].config["cores"] = 4
    applied = site.apply(*tasks)
    assert applied.status == 2
    assert applied.sent == [("PUT", "/nodes/pve1/lxc/202/config")]
    assert len(applied.refusals) == 1
    assert "update lxc/200 web on pve1 is not what" in applied.refusals[0]
    assert "lxc/200 has changed since: cores 2 -> 4" in applied.refusals[0]
    assert site.lab.state.guests[200].config["cores"] == 4
    assert site.verdict() == verify.INTACT

    site.lab.state.guests[200].config["cores"] = 2  # somebody put it back: the rest is what was planned
    rest = site.apply(*tasks)
    assert rest.status == 0, rest.output
    assert rest.sent == [("PUT", "/nodes/pve1/lxc/200/config"), ("DELETE", "/nodes/pve1/lxc/201")]


def test_a_plan_of_one_machine_is_applied_on_another_in_slices(site: Site) -> None:
    """CI makes it for all hosts; AWX applies it in jobs that have some of them each."""
    task = lxc("Change", 0, cores=3)
    task["steward.proxmox.lxc"]["vmid"] = "{{ {'one': 200, 'two': 201, 'three': 202}[inventory_hostname] }}"
    assert site.preview(task, hosts="one,two,three,").status == 0
    awx = site.elsewhere()
    first = awx.apply(task, hosts="three,one,")
    assert first.status == 0, first.output
    second = awx.apply(task, hosts="two,")
    assert second.status == 0, second.output
    assert sorted(first.sent) == [("PUT", f"/nodes/pve1/lxc/{vmid}/config") for vmid in (200, 202)]
    assert second.sent == [("PUT", "/nodes/pve1/lxc/201/config")]


def test_only_what_the_approver_signed(site: Site) -> None:
    """As the page tells it: signed with ansible's own command, and not a byte of it is changed after that."""
    policy = {"signature": "required", "signers": {"alice": _new_key(site.folder / "alice")}}
    task = destroy(201)
    assert site.preview(task, policy=policy).status == 0
    unsigned = site.apply(task, policy=policy)
    assert (unsigned.status, unsigned.sent) == (74, []), unsigned.output
    assert "must be signed by alice" in unsigned.output

    signing = "plan=plan.json key=alice signer=alice"
    signed = site.run("ansible", "localhost", "-m", "steward.proxmox.sign_plan", "-a", signing)
    assert signed.returncode == 0, signed.stdout
    text = (site.folder / "plan.json").read_text()
    (site.folder / "plan.json").write_text(text.replace('"summary": "destroy', '"summary": "rename'))
    forged = site.apply(task, policy=policy)
    assert (forged.status, forged.sent) == (74, []), forged.output
    assert "was changed after it was signed" in forged.output

    (site.folder / "plan.json").write_text(text)
    applied = site.apply(task, policy=policy)
    assert (applied.status, applied.sent) == (0, [("DELETE", "/nodes/pve1/lxc/201")]), applied.output
    assert applied.intents[0]["permit"]["signers"] == ["alice"]


def _new_key(path: Path) -> str:
    """A private key in a file; its public key as a policy names it."""
    key = Ed25519PrivateKey.generate()
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    return key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


def test_two_runs_of_one_plan_do_it_once(site: Site) -> None:
    tasks = (lxc("Change", 200, cores=3), lxc("Describe", 202, description="a cache"))
    assert site.preview(*tasks).status == 0
    with ThreadPoolExecutor() as pool:
        runs = [run.result() for run in [pool.submit(site.apply, *tasks) for _time in range(2)]]
    writes = [(request["method"], request["path"]) for request in site.lab.writes]
    assert sorted(writes) == [("PUT", f"/nodes/pve1/lxc/{vmid}/config") for vmid in (200, 202)]
    assert 0 in [run.status for run in runs]
    assert site.verdict() == verify.INTACT


def test_a_task_that_was_changed_after_the_plan_is_refused(site: Site) -> None:
    """A reviewed plan covers no later commit."""
    assert site.preview(lxc("Change", 200, cores=3), destroy(201)).status == 0
    applied = site.apply(lxc("Change", 200, cores=8), destroy(202))
    assert (applied.status, applied.sent) == (2, [])
    assert "planned was" in applied.refusals[0]
    other = site.apply(lxc("Change", 200, cores=3), destroy(202))
    assert other.sent == [("PUT", "/nodes/pve1/lxc/200/config")]
    assert "destroy lxc/202 cache on pve1 is not what" in other.refusals[0]
