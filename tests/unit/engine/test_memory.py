# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a run remembers: planned effects in check mode, what it made and which ids it allocated in a real run."""

from ansible_collections.steward.proxmox.plugins.module_utils._memory import Memory
from ansible_collections.steward.proxmox.plugins.module_utils._plan import (
    Effect,
    Plan,
    Step,
    after_apply,
    compute_digest,
)

VOLID = after_apply("volid of backup nas lxc/100 1")


def planned() -> Plan:
    step = Step("create", "lxc/100", "POST", "/nodes/pve1/lxc", {"vmid": 100})
    plan = Plan(steps=[step], symbols={"100": after_apply("vmid of lxc web")}, makes=[f"backup/{VOLID}"])
    plan.effects = [Effect("/nodes/pve1/lxc/100/config", "set", {"hostname": "web"})]
    plan.digest = "sha256:plan"
    return plan


def test_a_plan_that_changes_nothing_is_forgotten() -> None:
    memory = Memory()
    memory.remember(Plan(effects=[Effect("/x", "gone")]), {}, check=True)
    assert memory.entries == []
    assert memory == Memory()


def test_check_mode_keeps_the_effects() -> None:
    memory = Memory()
    memory.remember(planned(), {}, check=True)
    assert memory.effects == {"/nodes/pve1/lxc/100/config": planned().effects}
    assert memory.bound == {
        "lxc/100": "sha256:plan",
        f"backup/{VOLID}": "sha256:plan",
        "/nodes/pve1/lxc/100/config": "sha256:plan",
    }


def test_a_real_run_keeps_no_effects_but_what_the_symbols_were() -> None:
    memory = Memory()
    memory.remember(planned(), {VOLID: "nas:backup/a.tar"}, check=False)
    assert memory.effects == {}
    assert memory.bound["backup/nas:backup/a.tar"] == "sha256:plan"
    assert memory.symbols == {"100": after_apply("vmid of lxc web"), "nas:backup/a.tar": VOLID}


def test_a_later_task_has_the_same_digest_in_both_runs() -> None:
    """The next task names the backup by its symbol in check mode, and by its volume id for real."""
    foretold, real = Memory(), Memory()
    foretold.remember(planned(), {}, check=True)
    real.remember(planned(), {VOLID: "nas:backup/a.tar"}, check=False)

    def restore(volid: str) -> Plan:
        step = Step("restore", "lxc/101", "POST", "/nodes/pve1/lxc", {"vmid": 101, "ostemplate": volid})
        return Plan(steps=[step], objects={f"backup/{volid}": {"size": len(volid)}})

    one = compute_digest(restore(VOLID), foretold.bound, foretold.symbols)
    assert one == compute_digest(restore("nas:backup/a.tar"), real.bound, real.symbols)
    assert one != compute_digest(restore("nas:backup/b.tar"), real.bound, real.symbols)


def test_a_value_that_the_server_did_not_choose_is_no_symbol() -> None:
    """An empty text would be found between all letters of everything."""
    memory = Memory()
    memory.remember(planned(), {VOLID: ""}, check=False)
    plan = Plan(steps=[Step("start", "lxc/205", "POST", "/nodes/pve1/lxc/205/status/start")])
    assert compute_digest(plan, {}, memory.symbols) == compute_digest(plan, {}, {})


def test_entries_make_the_same_memory_again() -> None:
    memory = Memory()
    memory.add({"permissions": {"bob@pve": {"/": {"VM.Audit": 1}}}})
    memory.remember(planned(), {}, check=True)
    again = Memory.of([*memory.entries])
    assert again.entries == []
    again.entries = memory.entries
    assert again == memory


def test_export_makes_the_same_memory_again() -> None:
    memory = Memory()
    memory.remember(planned(), {}, check=True)
    memory.add({"permissions": {"bob@pve": {"/": {"VM.Audit": 1}}}})
    assert Memory.of(memory.export()) == Memory.of(memory.entries)


def test_export_keeps_that_permissions_are_foretold() -> None:
    memory = Memory()
    memory.remember(Plan(steps=[Step("grant", "acl", "PUT", "/access/acl")], digest="x"), {}, check=True)
    memory.add({"permissions": {"bob@pve": {}}})
    again = Memory.of(memory.export())
    assert again.permissions_foretold is True
    assert again.permissions == {"bob@pve": {}}


def test_after_access_was_changed_permissions_are_read_again() -> None:
    memory = Memory.of([{"permissions": {"bob@pve": {"/": {"VM.Audit": 1}}}}])
    memory.remember(Plan(steps=[Step("grant", "acl", "PUT", "/access/acl")], digest="x"), {}, check=False)
    assert memory.permissions == {}
    assert memory.permissions_foretold is False


def test_a_guest_called_access_does_not_forget_permissions() -> None:
    memory = Memory.of([{"permissions": {"bob@pve": {}}}])
    memory.remember(planned(), {}, check=False)
    assert memory.permissions == {"bob@pve": {}}
