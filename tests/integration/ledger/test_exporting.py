# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module ledger_export, on ledgers that real runs wrote."""

import json
import time
from typing import Any

from .conftest import VERIFIER, Done, Site
from .test_recording import change


def export(site: Site, **options: Any) -> dict[str, Any]:
    return {"steward.proxmox.ledger_export": {"dest": str(site.folder / "copy"), **options}}


def results(site: Site, *tasks: dict[str, Any]) -> list[dict[str, Any]]:
    """What the tasks of one run return."""
    named = [
        {"name": str(number), "register": f"r{number}", "ignore_errors": True, **task}
        for number, task in enumerate(tasks)
    ]
    content = "{{ [" + ", ".join(f"r{number}" for number in range(len(tasks))) + "] | to_json }}"
    keep = {"name": "Keep", "ansible.builtin.copy": {"dest": str(site.folder / "results"), "content": content}}
    done = site.play(*named, keep, hosts="h1")
    assert done.status == 0, done.output
    return json.loads((site.folder / "results").read_text())


def verified(site: Site, name: str) -> Done:
    return site.finish(site.start("python", str(VERIFIER), str(site.folder / name)))


def runs(site: Site, name: str) -> set[str]:
    return {path.name for path in (site.folder / name / "runs").iterdir()}


def test_runs_are_exported_by_a_recorded_run_and_removed_from_the_ledger(site: Site) -> None:
    site.play(change("one"), hosts="h1")
    (old,) = runs(site, "ledger")
    time.sleep(1.1)  # the name of a run tells its beginning in whole seconds
    # so a run that began at 10.9 counts as older than 1 s when its removal begins at 12.0, not at 11.9
    pause = {"ansible.builtin.command": "sleep 2.1"}
    remove = export(site, remove_older_than="1s")
    preview, first, _paused, foreseen, removed, last = results(
        site, {**export(site), "check_mode": True}, export(site), pause, {**remove, "check_mode": True}, remove, remove
    )
    assert (preview["changed"], preview["verdict"], preview["removed"]) == (True, "intact", [])
    assert (first["changed"], first["runs"], first["new"]) == (True, 2, preview["new"])
    (gone,) = removed["removed"]
    assert foreseen["removed"] == [gone]
    assert gone["run"] in old
    assert [one["why"] for one in removed["kept"]] == ["it was not closed"]
    assert (last["changed"], last["removed"], last["runs"]) == (True, [], 1)
    assert runs(site, "copy") - runs(site, "ledger") == {old}
    # the run that exported was open then
    assert (verified(site, "ledger").status, verified(site, "copy").status) == (0, 2)


def test_what_was_tampered_with_is_kept_and_nothing_is_removed(site: Site) -> None:
    site.play(change("secret-9001"), hosts="h1")
    site.environment["ANSIBLE_CALLBACKS_ENABLED"] = "ansible.builtin.default"
    (path,) = (site.ledger / "runs").iterdir()
    path.write_bytes(path.read_bytes().replace(b"secret-9001", b"secret-9002"))
    undo = {"ansible.builtin.replace": {"path": str(path), "regexp": "secret-9002", "replace": "secret-9001"}}
    tampered, _undone, differs, wrong = results(
        site, export(site, remove_older_than="0s"), undo, export(site), export(site, remove_older_than="a year")
    )
    assert (tampered["failed"], tampered["verdict"]) == (True, "tampered")
    assert "was exported to" in tampered["msg"]
    assert runs(site, "copy") == runs(site, "ledger") == {path.name}
    assert "record 2 is not what the ledger holds: one of them was changed" in differs["msg"]
    assert "write a number with s, m, h, d or w" in wrong["msg"]
