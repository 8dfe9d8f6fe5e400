# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""golden_lxc against a fake pct, without sudo: what is run, and what becomes of its failures."""

import os
import re
import time
from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._engine import failure
from ansible_collections.steward.proxmox.plugins.module_utils._errors import (
    ApiError,
    BadInput,
    OutcomeUnknown,
    PermissionDenied,
    Refused,
    StewardError,
    Taken,
    Unreachable,
)
from ansible_collections.steward.proxmox.plugins.module_utils._host import operations
from ansible_collections.steward.proxmox.plugins.module_utils._host.runner import Host

from .conftest import TEMPLATE, Pct

CREATE = f"create 9001 {TEMPLATE} --unprivileged 1 --features nesting=1,keyctl=1 --rootfs local-zfs:4 --hostname golden"


def test_check_mode_only_reads(pct: Pct) -> None:
    task = pct.work(check=True)
    assert task.plan.changed
    assert pct.calls == ["config 9001"]


def test_created_verified_and_then_nothing_to_do(pct: Pct) -> None:
    task = pct.work()
    task.carry_out()
    assert pct.calls == ["config 9001", CREATE, "config 9001"]
    assert task.result()["config"]["rootfs"] == "local-zfs:subvol-9001-disk-0,size=4G"
    again = pct.work()
    assert (again.plan.changed, again.plan.warnings) == (False, [])
    assert len(pct.calls) == 4


def failing(pct: Pct, **golden: Any) -> tuple[StewardError, dict[str, object]]:
    task = pct.work(**golden)
    with pytest.raises(StewardError) as caught:
        task.carry_out()
    return caught.value, failure(caught.value, task)


def test_a_missing_template_fails_in_the_words_of_pct(pct: Pct) -> None:
    error, result = failing(pct, template="local:vztmpl/none.tar.gz")
    assert error.__class__ is ApiError
    assert "unable to create CT 9001 - volume 'local:vztmpl/none.tar.gz' does not exist" in str(error)
    assert "It does not exist afterwards. `pveam download` puts a template on" in str(error)
    assert result["exit_status"] == 255
    assert "rc" not in result  # ansible takes it for its own
    assert result["changed"] is False
    assert pct.made == []


@pytest.mark.parametrize(
    ("said", "hint"),
    [
        ("storage 'nostor' does not exist", "`pvesm status` lists the storages of this node"),
        ("unable to parse volume ID 'local'", "It does not exist afterwards"),
        (
            "400 Parameter verification failed.\nfeatures: invalid format - format error\n"
            "features.keyctl: type check ('boolean') failed - got '2'\n\npct create <vmid> <ostemplate> [OPTIONS]",
            "It does not exist afterwards",
        ),
        (
            "400 Parameter verification failed.\n"
            "hostname: invalid format - value does not look like a valid DNS name\n\n"
            "pct create <vmid> <ostemplate> [OPTIONS]",
            "It does not exist afterwards",
        ),
    ],
)
def test_each_refusal_of_pct_is_told_in_its_words(pct: Pct, said: str, hint: str) -> None:
    (pct.place / "said").write_text(said)
    pct.before('[ "$1" = create ] && { cat said >&2; exit 255; }')
    error, result = failing(pct)
    assert error.__class__ is ApiError
    assert said.splitlines()[-1] in str(error)
    assert said.splitlines()[0] in str(error)
    assert str(error).endswith(hint)
    assert result["exit_status"] == 255


@pytest.mark.parametrize("what", ["CT", "VM"])
def test_an_id_that_another_guest_has_is_taken(pct: Pct, what: str) -> None:
    """One of another node, or a machine, is not seen by `pct config` of this one."""
    pct.before(f"""[ "$1" = create ] && {{ echo "{what} $2 already exists on node 'pve2'" >&2; exit 255; }}""")
    error, result = failing(pct)
    assert error.__class__ is Taken
    assert f"{what} 9001 already exists on node 'pve2'. Nothing was done. Choose another vmid" in str(error)
    assert "afterwards" not in str(error)
    assert result["changed"] is False
    assert pct.calls.count(CREATE) == 1


def test_a_failure_that_left_a_container_says_so(pct: Pct) -> None:
    pct.before('[ "$1" = create ] && { touch "$2.conf"; echo "no space left" >&2; exit 255; }')
    error, _result = failing(pct)
    assert re.search(r"no space left\. It exists now", str(error))


def test_a_base_without_its_features_fails_after_all(pct: Pct) -> None:
    pct.before('[ "$1" = create ] && { echo "unprivileged: 1" >"$2.conf"; exit 0; }')
    error, result = failing(pct)
    assert "was created, but it lacks the features nesting, keyctl" in str(error)
    assert result["changed"] is True


def test_a_creation_that_takes_too_long_goes_on_and_is_unknown(pct: Pct) -> None:
    pct.before('[ "$1" = create ] && while [ ! -e go_on ]; do sleep 0.05; done')
    task = pct.work(timeout=1)
    with pytest.raises(OutcomeUnknown, match=r"still runs on .* after 1 seconds; it was not stopped"):
        task.carry_out()
    assert task.plan.progress[0]["status"] == "unknown"
    assert pct.made == []
    (pct.place / "go_on").touch()
    deadline = time.monotonic() + 60
    made = pct.place / "9001.conf"
    while not (made.exists() and made.read_text().endswith("unprivileged: 1\n")) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert pct.made == ["9001"]


def test_a_creation_that_is_killed_is_unknown(pct: Pct) -> None:
    pct.before('[ "$1" = create ] && kill -9 $$')
    with pytest.raises(OutcomeUnknown, match="ended by signal 9"):
        pct.work().carry_out()


@pytest.mark.parametrize(
    ("shell", "error", "says"),
    [
        ("echo 'ipcc_send_rec[1] failed: Connection refused' >&2; exit 111", ApiError, "Connection refused"),
        ("echo 'Segmentation fault'; exit 0", ApiError, "not 'key: value'"),
        ("head -c 1100000 /dev/zero | tr '\\0' x; exit 0", ApiError, "more than 1 MiB"),
    ],
)
def test_a_read_that_fails_stops_everything(pct: Pct, shell: str, error: type[StewardError], says: str) -> None:
    pct.before(shell)
    with pytest.raises(error, match=says):
        pct.work()
    assert pct.calls == ["config 9001"]


def test_a_read_that_hangs_ends(pct: Pct, monkeypatch: pytest.MonkeyPatch) -> None:
    config = operations.OPERATIONS["pct config"]
    monkeypatch.setitem(operations.OPERATIONS, "pct config", type(config)(**{**vars(config), "timeout": 0.3}))
    pct.before("exec sleep 20")
    with pytest.raises(Unreachable, match=r"still runs .* after 0.3 seconds.*pve-cluster"):
        pct.work()


def test_without_pct_it_says_so(pct: Pct) -> None:
    os.remove(pct.path)
    with pytest.raises(BadInput, match=r"fake-pct-.*/pct is not installed on .*Is this host a node of Proxmox VE"):
        pct.work()


def test_a_pct_that_may_not_be_run_is_a_matter_of_permission(pct: Pct) -> None:
    os.chmod(pct.path, 0o644)
    with pytest.raises(Refused, match=r"permission: .* cannot be run"):
        pct.work()


def test_whoever_is_not_root_is_told(pct: Pct, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    pct.before("echo 'please run as root' >&2; exit 255")
    with pytest.raises(PermissionDenied, match=r"permission: .*please run as root.*runner: sudo"):
        pct.work()


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "GET"])
def test_a_request_of_the_api_is_no_command(pct: Pct, method: str) -> None:
    with pytest.raises(ValueError, match=f"a host is not sent {method}"):
        Host(pct.options()).send(method, "pct create", {})
    assert pct.calls == []


def test_what_is_mute_without_root_is_not_even_run(pct: Pct, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    config = operations.OPERATIONS["pct config"]
    monkeypatch.setitem(operations.OPERATIONS, "pct config", type(config)(**{**vars(config), "mute": True}))
    with pytest.raises(PermissionDenied, match="who is not root: it would find nothing"):
        pct.work()
    assert pct.calls == []


def test_a_creation_that_fails_without_root_says_both(pct: Pct, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    pct.before("[ \"$1\" = create ] && { echo 'please run as root' >&2; exit 255; }")
    error, _result = failing(pct)
    assert error.__class__ is PermissionDenied
    assert re.search(r"permission: .*please run as root\. It does not exist afterwards", str(error))
