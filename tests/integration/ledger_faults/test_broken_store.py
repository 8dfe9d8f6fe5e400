# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A store that takes nothing, or no more: nothing is changed unrecorded, and the exit status says so."""

from __future__ import annotations

import shlex
import socket
import subprocess
import time
from typing import Any

import pytest

from tests.node.ports import reserved

from .conftest import BIN, GUESTS, INCOMPLETE, INTACT, MARK, RECORDING_BROKE, Done, NewSite, Site, put, update

INTENT, OUTCOME, CLOSE = r"write runs/\S* intent", r"write runs/\S* outcome", r"write runs/\S* run_close"


def assert_broken(done: Done, *sent: str) -> None:
    assert (done.status, done.sent) == (RECORDING_BROKE, list(sent)), done.output
    assert "steward.proxmox ledger:" in done.told
    assert "WENT ON" not in done.output


@pytest.mark.parametrize("what", ["ENOSPC", "EROFS", "half"])
def test_an_intent_that_is_not_written_stops_the_change_and_the_run(site: Site, what: str) -> None:
    assert_broken(site.play(update(200), MARK, update(201), fault={"at": INTENT, "what": what}))


@pytest.mark.parametrize("step", [r"sync runs/\S* intent", r"sync runs/\S* run_open", r"sync runs"])
def test_what_is_not_synced_is_not_written(site: Site, step: str) -> None:
    """The disk takes it and fails to keep it."""
    assert_broken(site.play(update(200), MARK, update(201), fault={"at": step, "what": "EIO"}))


@pytest.mark.parametrize("what", ["ENOSPC", "half"])
def test_an_outcome_that_is_not_written_stops_the_run(site: Site, what: str) -> None:
    assert_broken(site.play(update(200), MARK, update(201), fault={"at": OUTCOME, "what": what}), put(200))
    verdict, why = site.verify()
    assert verdict == INCOMPLETE
    assert "lxc/200" in why


@pytest.mark.parametrize("what", ["ENOSPC", "half"])
def test_a_run_that_is_not_closed_is_told(site: Site, what: str) -> None:
    done = site.play(update(200), fault={"at": CLOSE, "what": what})
    assert (done.status, done.sent) == (RECORDING_BROKE, [put(200)]), done.output
    assert site.verify()[0] == INCOMPLETE


def test_a_disk_that_takes_it_piece_by_piece_has_taken_it(site: Site) -> None:
    done = site.play(update(200), update(201), fault={"at": "write .*", "what": "short"})
    assert (done.status, site.verify()[0]) == (0, INTACT), done.output


def test_nothing_in_the_playbook_hides_a_broken_ledger(site: Site) -> None:
    """One change fails to be recorded, with everything around it that makes Ansible go on; once only, as on a disk that
    has room again."""
    block = {
        "block": [update(200, ignore_errors=True, no_log=True, loop=[1, 2], failed_when=False)],
        "rescue": [MARK, update(201)],
        "always": [MARK, update(202)],
    }
    notify = MARK | {"changed_when": True, "notify": "Handle", "name": "Notify", "ansible.builtin.debug": {"msg": "x"}}
    done = site.play(
        notify,
        block,
        fault={"at": INTENT, "what": "ENOSPC"},
        handlers=[MARK | {"name": "Handle"}, update(203, name="Handle, too", listen="Handle")],
        force_handlers=True,
        any_errors_fatal=False,
        max_fail_percentage=100,
    )
    assert_broken(done)


@pytest.mark.parametrize("verb", ["write", "sync"])
def test_a_checkpoint_in_mid_run_fails(site: Site, verb: str) -> None:
    """It is made in the thread of Ansible that an exception would hang for ever, while other hosts are at work."""
    site.configuration += "checkpoint_every = 1\n"
    task = update("{{ inventory_hostname }}", "{{ 2 + item }}", loop=[1, 2, 3])
    fault = {"at": f"{verb} log.jsonl checkpoint", "what": "ENOSPC"}
    done = site.play(task, MARK, update(249), hosts="200,201,", fault=fault)
    assert done.status == RECORDING_BROKE, done.output
    assert "WENT ON" not in done.output
    assert put(249) not in done.sent


def test_a_preview_that_is_not_recorded_is_told(site: Site) -> None:
    fault = {"at": r"write runs/\S* plan", "what": "ENOSPC"}
    assert_broken(site.play(update(200), MARK, arguments=("--check",), fault=fault))


@pytest.mark.parametrize("required", ["true", "false"])
def test_a_witness_that_takes_nothing(site: Site, required: str) -> None:
    site.configuration += f"sinks = file:{site.folder}/gone/witness\nsinks_required = {required}\n"
    done = site.play(update(200))
    assert "No such file or directory" in done.told
    assert (done.status, len(done.sent)) == ((RECORDING_BROKE, 0) if required == "true" else (0, 1)), done.output


@pytest.mark.parametrize("strategy", ["free", "host_pinned"])
def test_other_hosts_change_nothing_more(site: Site, strategy: str) -> None:
    """The disk fills up while ten hosts are at work: who had an intent goes to the end, and nobody begins anew."""
    hosts = "".join(f"{vmid}," for vmid in GUESTS[:10])
    task = update("{{ inventory_hostname }}", "{{ 2 + item }}", loop=[1, 2, 3, 4])
    done = site.play(
        task, hosts=hosts, strategy=strategy, arguments=("--forks=5",), fault={"since": 40, "what": "ENOSPC"}
    )
    assert done.status == RECORDING_BROKE, done.output
    assert 0 < len(done.sent) < 40
    assert site.verify()[0] == INCOMPLETE


@pytest.mark.slow
def test_whichever_step_of_a_new_ledger_fails(new_site: NewSite) -> None:
    for place in range(1, len(two_updates(new_site(), 2).steps) + 1):
        assert_told_or_done(two_updates(new_site(), 2, {"at": place, "what": "ENOSPC"}), place)


@pytest.mark.slow
def test_whichever_step_is_the_first_that_fails(site: Site) -> None:
    """And all after it, too. One run after the other, on what they leave."""
    two_updates(site, 2)
    for place in range(1, len(two_updates(site, 3).steps) + 1):
        assert_told_or_done(two_updates(site, 4 + place, {"since": place, "what": "ENOSPC"}), place)
    assert two_updates(site, 2).status == 0


def two_updates(site: Site, cores: int, fault: dict[str, Any] | None = None) -> Done:
    return site.play(update(200, cores), MARK, update(201, cores), fault=fault)


def assert_told_or_done(done: Done, place: int) -> None:
    """What went wrong is told, or it did no harm: all was done and recorded."""
    assert done.status == RECORDING_BROKE or (done.status, len(done.sent)) == (0, 2), (place, done.steps, done.output)


# -- without any trick: what the kernel does -------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["/dev/full", "/proc/ledger"])
def test_a_place_where_no_ledger_can_be(site: Site, place: str) -> None:
    site.variables["STEWARD_LEDGER_PATH"] = place
    done = site.play(MARK, update(200))
    assert_broken(done)
    assert f"cannot write the ledger {place}" in done.told
    assert "A ledger is required, so nothing was started" in done.told


def test_a_database_that_nobody_serves(site: Site) -> None:
    with reserved() as free:
        dsn = f"postgresql://steward:canary@127.0.0.1:{free.getsockname()[1]}/ledger"
        site.variables["STEWARD_LEDGER_DSN"] = dsn
        done = site.play(MARK, update(200))
    assert_broken(done)
    assert "refused" in done.told
    assert "canary" not in done.output


@pytest.mark.slow
def test_a_database_that_never_answers(site: Site) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        site.variables["STEWARD_LEDGER_DSN"] = f"postgresql://127.0.0.1:{silent.getsockname()[1]}/ledger"
        began = time.monotonic()
        assert_broken(site.play(MARK, update(200)))
        assert time.monotonic() - began < 120


def _may_mount() -> bool:
    command = ["unshare", "--user", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def mounted(site: Site, *tasks: dict[str, Any], size: str) -> Done:
    """With a file system of its own for the ledger, which nobody else sees; it is copied before it goes."""
    disk, (program, *arguments) = shlex.quote(str(site.folder / "disk")), site.playbook(*tasks)
    site.variables |= {"STEWARD_LEDGER_PATH": f"{site.folder}/disk/ledger", "STEPS_IN": f"{site.folder}/disk/ledger"}
    script = (
        f"mkdir {disk} && mount -t tmpfs -o size={size} none {disk} && {shlex.join([str(BIN / program), *arguments])}"
    )
    script += f"; status=$?; cp -a {disk}/ledger {shlex.quote(str(site.ledger))}; exit $status"
    return site.run("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script)


needs_mount = pytest.mark.skipif(not _may_mount(), reason="this user may not mount anything, even in a namespace")


@needs_mount
def test_a_disk_that_is_full_at_last(site: Site) -> None:
    done = mounted(site, update(200, "{{ 2 + item }}", loop=list(range(60))), MARK, size="64k")
    assert 0 < len(done.sent) < 60
    assert_broken(done, *done.sent)
    assert "No space left on device" in done.told


@needs_mount
def test_a_disk_that_becomes_read_only(site: Site) -> None:
    remount = {"name": "Remount", "ansible.builtin.raw": "mount -o remount,ro {{ playbook_dir }}/disk"}
    done = mounted(site, update(200), remount, update(201), MARK, size="1m")
    assert_broken(done, put(200))
    assert "Read-only file system" in done.told
