# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who changed what, and the proof of it, out of a ledger that real runs wrote and signed."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger import keys, verify_proof

from .conftest import Site
from .test_recording import change

INFO, PROOF = "steward.proxmox.ledger_info", "steward.proxmox.ledger_proof"


def results(site: Site, *tasks: dict[str, Any], **play: Any) -> list[dict[str, Any]]:
    """What these tasks returned, each of which may fail."""
    noted = [{"name": f"Task {n}", **task, "register": f"r{n}", "ignore_errors": True} for n, task in enumerate(tasks)]
    all_of_them = ", ".join(f"r{n}" for n in range(len(tasks)))
    content = {"dest": str(site.folder / "results"), "content": "{{ [" + all_of_them + "] | to_json }}"}
    done = site.play(*noted, {"name": "Keep", "ansible.builtin.copy": content}, hosts="h1", **play)
    assert done.status == 0, done.output
    return list(json.loads((site.folder / "results").read_text()))


def verified(*arguments: str) -> str:
    """What an auditor is told, who has the bundle and the script."""
    command = [sys.executable, "-I", verify_proof.__file__, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_every_change_to_a_guest_by_whom_and_with_proof(site: Site) -> None:
    public_key = keys.make(site.folder / "key", "steward").vkey
    site.environment |= {"STEWARD_LEDGER_KEY": str(site.folder / "key"), "STEWARD_ACTOR": "alice"}
    for name, actor in (("9001", "alice"), ("9002", "bob"), ("9001", "carol")):
        site.environment["STEWARD_ACTOR"] = actor
        assert site.play(change(name), hosts="h1,h2").status == 0
    runs = sorted((site.ledger / "runs").iterdir(), key=lambda path: path.stat().st_mtime_ns)

    wanted = {"vmid": 9001, "proof": True}
    proof = {"op": "{{ r1.changes[-1].op }}", "dest": str(site.folder / "proof.json")}
    kept = site.folder / "job.log"
    kept.write_text("the job says:\n" + (site.ledger / "checkpoints").read_text())
    growth = {"checkpoint": str(kept), "dest": str(site.folder / "growth.json")}
    own = {"op": "{{ r2.changes[0].op }}", "dest": str(site.folder / "own.json")}
    _unused, listed, mine, bobs, wrong, previewed, written, again, nobody, early, grown, as_it_was, *unnamed = results(
        site,
        change("9003"),
        {INFO: wanted},
        {INFO: {"vmid": 9003}},
        {INFO: {"actor": "bob", "host": "h2", "status": "ok", "limit": 1}},
        {INFO: {"since": "yesterday"}},
        {PROOF: proof, "check_mode": True},
        {PROOF: proof},
        {PROOF: {**proof, "public_key": public_key}},
        {PROOF: {**proof, "op": "none"}},
        {PROOF: own},
        {PROOF: growth},
        {PROOF: {**growth, "public_key": public_key}},
        {PROOF: {"dest": growth["dest"]}},
        {PROOF: {**growth, "run": "last"}},
        {PROOF: {**growth, "checkpoint": str(site.folder / "key")}},
        {PROOF: {**growth, "checkpoint": str(site.folder / "none")}},
    )
    assert [row["by"] for row in listed["changes"]] == ["carol (by STEWARD_ACTOR)"] * 2 + [
        "alice (by STEWARD_ACTOR)"
    ] * 2
    assert {row["host"] for row in listed["changes"]} == {"h1", "h2"}
    assert (listed["changed"], listed["total"], listed["truncated"], listed["verdict"]) == (False, 4, False, "intact")
    assert [row["by"] for row in mine["changes"]] == ["carol (by STEWARD_ACTOR)"], "the run of this task, too"
    for row in listed["changes"]:
        shown = verify_proof.check(row["proof"], [public_key])
        assert (shown.intent["op_id"], shown.opening["actor"]["user"]) == (row["op"], row["by"].split()[0])
    assert [row["targets"] for row in bobs["changes"]] == [["lxc/9002"]]
    assert (bobs["total"], bobs["truncated"]) == (1, False)
    assert "'yesterday' is not a time in UTC" in wrong["msg"]
    assert [one["changed"] for one in (previewed, written, again)] == [True, True, False]
    assert written["signed_by"] == ["steward"]
    assert "made the change 'none'" in nobody["msg"]
    assert "is open still" in early["msg"], "the log does not hold it yet"

    done = verified(written["dest"], "--public-key", public_key)
    assert "user alice" in done
    assert "carol" not in Path(written["dest"]).read_text()

    assert (grown["changed"], as_it_was["changed"], as_it_was["signed_by"]) == (True, False, ["steward"])
    assert grown["older_size"] < grown["size"], "the log of this run has begun"
    done = verified(growth["dest"], "--public-key", public_key, "--checkpoint", str(kept))
    assert f"begins with the {grown['older_size']} entries of the checkpoint that was kept" in done
    assert grown["summary"][0] in done
    reasons = ("op: no change", "op: no change", "checkpoint: there is none in", "checkpoint: [Errno 2]")
    for result, why in zip(unnamed, reasons, strict=True):
        assert result["msg"].startswith(why)

    runs[1].write_bytes(runs[1].read_bytes().replace(b"lxc/9002", b"lxc/9009"))
    empty = site.folder / "empty" / "runs"
    empty.mkdir(parents=True)
    rewritten = shutil.copytree(site.ledger, site.folder / "rewritten")
    log = (rewritten / "log.jsonl").read_bytes()
    (rewritten / "log.jsonl").write_bytes(log.replace(b'"type":"close"', b'"type":"note_"', 1))
    refused, nothing, still, not_this, not_grown = results(
        site,
        {INFO: wanted},
        {INFO: {"path": str(empty.parent)}},
        {PROOF: {**proof, "op": written["op"], "dest": str(site.folder / "still.json")}},
        {PROOF: {**proof, "op": bobs["changes"][0]["op"]}},
        {PROOF: {**growth, "path": str(rewritten)}},
    )
    assert refused["msg"].startswith("The ledger is not what was written: tampered")
    assert nothing["msg"].startswith(f"path, dsn: the ledger {empty.parent} cannot be read: unverifiable")
    assert still["changed"], "the proof of a change asks only for its own run"
    assert not_this["msg"].startswith("The ledger is not what was written: ")
    assert "entries of its log are not those that the checkpoint that was kept has seen" in not_grown["msg"]
