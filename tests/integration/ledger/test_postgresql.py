# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""ansible-playbook with its ledger in PostgreSQL: several runs at once, and a server that is stopped in the middle."""

from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger import verify
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.postgresql import source

from tests.postgres import Postgres, postgres

from .conftest import VERIFIER, Done, Site
from .test_exporting import export, results
from .test_recording import MARK, RECORDING_BROKE, change

__all__ = ["postgres"]  # the fixture


@pytest.fixture
def dsn(postgres: Postgres, site: Site) -> str:
    """The site's ledger, and the password of its user out of the way of ansible.cfg."""
    dsn = postgres.ledger()
    site.environment["STEWARD_LEDGER_DSN"] = dsn.replace(f":{postgres.password}", "")
    site.environment["PGPASSWORD"] = postgres.password
    return dsn


def stop(postgres: Postgres) -> dict[str, Any]:
    """A task that stops the server, and does not end before it has."""
    gone = f"while [ -e {postgres.directory}/data/postmaster.pid ]; do sleep 0.05; done"
    return {"name": "Stop", "ansible.builtin.shell": f"kill -INT {postgres.pid}; {gone}", "run_once": True}


def test_runs_at_once_from_many_places(site: Site, dsn: str, postgres: Postgres) -> None:
    site.environment["STEWARD_LEDGER_DSN"] = dsn  # with its password
    name = site.playbook(change("{{ inventory_hostname }}-{{ item }}", loop=[1, 2, 3]), strategy="free")
    runs = [site.start("ansible-playbook", name, "--forks=5", "-vvv") for _unused in range(3)]
    done: list[Done] = [site.finish(run) for run in runs]
    assert [one.status for one in done] == [0, 0, 0], done
    assert len(site.changes) == 3 * 5 * 3
    outputs = "".join(one.output for one in done)
    assert postgres.password not in outputs
    heads = {run_id: head for one in done for run_id, head in one.heads.items()}
    assert len(heads) == 3
    report = verify.verify(source(dsn), expected_head=heads, checkpoints=[outputs])
    assert report.verdict == verify.INTACT, report.problems
    read_by_the_modules(site, postgres.as_user("reader", dsn), postgres.as_user("owner", dsn), set(heads))
    assert postgres.password not in (site.folder / "results").read_text()


def read_by_the_modules(site: Site, reader: str, owner: str, runs: set[str]) -> None:
    site.environment["ANSIBLE_CALLBACKS_ENABLED"] = "ansible.builtin.default"
    old = {"ansible.builtin.command": "sleep 2.1"}  # when a run began is kept in whole seconds
    verified, info, exported, _old, refused, removed, emptied = results(
        site,
        {"steward.proxmox.verify_ledger": {"dsn": reader}},
        {"steward.proxmox.ledger_info": {"dsn": reader, "target": "lxc/h3-2"}},
        export(site, dsn=reader),
        old,
        export(site, dsn=reader, remove_older_than="1s"),
        export(site, dsn=owner, remove_older_than="1s"),
        {"steward.proxmox.verify_ledger": {"dsn": reader}},
    )
    assert (verified["verdict"], verified["runs"]) == ("intact", 3)
    assert {row["run"] for row in info["changes"]} == runs
    assert (exported["verdict"], exported["runs"]) == ("intact", 3)
    assert "permission denied" in refused["msg"]
    assert {row["run"] for row in removed["removed"]} == runs
    assert emptied["verdict"] == "intact"
    assert site.finish(site.start("python", str(VERIFIER), str(site.folder / "copy"))).status == 0
    assert source(owner).runs() == []


def test_a_server_that_is_stopped_in_mid_run(site: Site, dsn: str, postgres: Postgres) -> None:
    """The run ends at once; another one is recorded elsewhere, because somebody says so; the next one brings it in."""
    spool = site.folder / "spool"
    site.environment["STEWARD_LEDGER_EMERGENCY_PATH"] = str(spool)
    late = change("late", ignore_errors=True)
    try:
        done = site.play(change("first"), stop(postgres), late, MARK, change("later"), hosts="h1")
        assert done.status == RECORDING_BROKE, done.output
        assert "Connection refused" in done.output
        assert "WENT ON" not in done.output
        refused = site.play(change("refused"), hosts="h1")
        assert refused.status == RECORDING_BROKE, refused.output
        assert "so nothing was started" in refused.output
        site.environment["STEWARD_LEDGER_EMERGENCY"] = "INC-4711"
        urgent = site.play(change("urgent"), hosts="h1")
        assert urgent.status == 0, urgent.output
        assert f"RECORDED IN {spool} INSTEAD" in " ".join(urgent.output.split())
    finally:
        postgres.start()
    again = site.play(change("again"), hosts="h1")
    assert again.status == 0, again.output
    assert "was adopted by postgresql://" in " ".join(again.output.split())
    assert site.changes == ["first", "urgent", "again"]
    report = verify.verify(source(dsn), expected_head=urgent.heads | again.heads)
    assert (report.verdict, report.runs) == (verify.INCOMPLETE, 3), report.problems
    assert [problem.reason for problem in report.problems] == ["the run was not closed"]
    spooled = verify.verify(verify.source(spool))
    assert spooled.verdict == verify.INTACT, spooled.problems
