# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the other collection (community.proxmox 2.1.0-dev) gets wrong or lacks around guests, and what proves that
this one does not.

An id stands in the docstring of the tests of test_peer_faults_*.py and test_peer_features.py that prove it, or in
ELSEWHERE with the tests that do, or in NOT_HERE with the reason. test_peer_faults.py finds the one that has nothing.
"""

from __future__ import annotations

FAULTS = {
    # what all of its modules share
    "2.0.1": "each task logs in, asks for the version and reads up to eight times",
    "2.0.2": "an HTTP timeout of five seconds ends synchronous writes",
    "2.0.3": "a missing user silently becomes root@pam, a missing credential is sent as None",
    "2.0.4": "no certificate can be pinned by its fingerprint",
    "2.0.5": "one host only, no other node is tried",
    "2.0.6": "five waits for tasks that do not agree; warnings count as failures, or are never seen",
    "2.0.7": "a task that fails at once is polled until the timeout, and the first line of its log is shown",
    "2.0.8": "timeouts count turns of a loop instead of seconds",
    "2.0.9": "nothing is ever repeated, and the digest is not used",
    "2.0.10": "whether something is missing is guessed from English text",
    "2.0.11": "branches for OpenVZ and PVE 3 to 6",
    # virtual machines
    "2.1.0": "no affinity, arch, amd-sev, intel-tdx, ivshmem, keephugepages, vmgenid, vmstatestorage, migration of HA"
    " guests or to other storages, resume, waiting for agent and address, structured nets, disks and addresses",
    "2.1.1": "present does nothing to a machine that exists; update never compares and is always a change",
    "2.1.2": "update of a missing machine is an error; a clone ignores what else the task says",
    "2.1.3": "cloning by name makes one more machine at each run; the id of the template is returned",
    "2.1.4": "paused and hibernated always fail",
    "2.1.5": "template with force always fails on a running machine",
    "2.1.6": "absent on a running guest is ok, unchanged, and the guest is still there",
    "2.1.7": "property strings are opaque: touching an interface or a disk makes a new MAC or a new disk",
    "2.1.8": "agent is any text, cpulimit an integer, SSH keys are never compared decoded",
    "2.1.9": "an EFI disk demands the BIOS option in the same task",
    "2.1.10": "no plain stop; restarted leaves a stopped machine off and unchanged",
    "2.1.11": "migration is always online, ends the task, and does not exist for containers",
    "2.1.12": "storage work is a synchronous write",
    "2.1.13": "template crashes where the key is absent",
    # containers
    "2.2.0": "no migration, resize, moved volumes, devices, idmap, protection, OCI options, arch, restore, suspending,"
    " waiting for an address",
    "2.2.1": "a limit of CPUs is sent as a weight",
    "2.2.2": "a value that is contained counts as equal; changing one key makes a new MAC",
    "2.2.3": "when anything differs everything is sent, keys that only root may set included",
    "2.2.4": "delete is always a change; a key is sent that the API does not have",
    "2.2.5": "template with force always fails on a running container; unmounting calls what does not exist",
    "2.2.6": "volumes do not grow",
    "2.2.7": "a lookup by name crashes when a node is down, and takes a machine of the same name for the container",
    "2.2.8": "a default storage wants permissions for what nobody asked for",
    "2.2.9": "a clone excludes an update; force destroys and makes anew",
    # disks
    "2.3.1": "keys of a disk that the task does not mention are dropped",
    "2.3.2": "numbers and sizes differ for ever by how they are written; a relative size grows each time; shrinking is"
    " not noticed; units mean different things",
    "2.3.3": "forced creation always makes the disk anew; removing is not waited for; no check mode and no diff; a disk"
    " without a size crashes",
    "2.3.4": "a branch for PVE 3",
    # interfaces
    "2.4.0": "interfaces of machines only",
    "2.4.1": "options that the task leaves out are erased; letter case and 1.0 are changes",
    # snapshots
    "2.5.1": "check mode says unchanged where the real run changes",
    "2.5.2": "at the exact timeout the module ends without an answer",
    "2.5.3": "a failed snapshot is waited for until the timeout; retention neither waits nor looks for errors, and is"
    " not previewed",
    "2.5.4": "mount points are removed for a snapshot and do not come back when it fails",
    "2.5.5": "no list of snapshots, no new description, no start after a rollback",
    # what guests should have
    "5.1": "machines are created, deleted, powered",
    "5.2": "an existing machine converges, with diff and check mode",
    "5.3": "interfaces, disks, addresses and devices are structured and merged",
    "5.4": "suspend, hibernate, resume",
    "5.5": "a reboot where changes are pending",
    "5.6": "affinity, SEV and TDX, ivshmem, vmgenid",
    "5.7": "agent commands, freezing of file systems, passwords",
    "5.8": "containers are created, deleted, powered, updated",
    "5.9": "features, devices and mounts of containers",
    "5.10": "id maps and raw lxc keys",
    "5.11": "entrypoint and environment of OCI containers",
    "5.12": "containers are resized, moved, migrated",
    "5.13": "clones full or linked, to another node or storage, of a snapshot",
    "5.14": "clone and configuration in one step, idempotent by name",
    "5.15": "templates",
    "5.16": "machines migrate while they run and while they do not",
    "5.17": "migration of HA guests, to other storages, of containers, to another cluster",
    "5.18": "user, keys, addresses and DNS of cloud-init",
    "5.19": "own files for cloud-init",
    "5.20": "the cloud-init drive is written anew, and read",
    "5.21": "disks are added, updated, resized, moved, detached, imported",
}

_CONTRACT, _ENGINE, _PLAYS = "tests/contract", "tests/unit/engine", "tests/integration/guests/test_playbooks.py"
_LAWS = f"{_CONTRACT}/test_laws.py::test_laws"

#: proven by tests that were there already, or that prove it better than the lab can
ELSEWHERE: dict[str, tuple[str, ...]] = {
    "2.0.1": (f"{_ENGINE}/test_session.py::test_the_items_of_a_loop_share_one_session_and_a_fork_opens_its_own",),
    "2.0.2": (
        f"{_ENGINE}/test_connection.py::test_without_options_tls_is_verified_by_the_system_and_the_times_are_bounded",
    ),
    "2.0.3": (f"{_ENGINE}/test_connection.py::test_wrong_options_are_named",),
    "2.0.4": (
        f"{_ENGINE}/test_session.py::test_a_pinned_fingerprint_is_trusted_without_a_ca",
        f"{_CONTRACT}/test_wrong_input.py::test_a_wrong_fingerprint_shows_the_one_that_was_seen",
    ),
    "2.0.5": (
        f"{_CONTRACT}/test_wrong_input.py::test_the_next_node_is_tried_when_one_is_down",
        f"{_ENGINE}/test_session.py::test_a_write_fails_over_too_because_it_was_not_sent",
    ),
    "2.0.6": (f"{_ENGINE}/test_task.py::test_only_ok_is_ok",),
    "2.0.7": (
        f"{_ENGINE}/test_task.py::test_a_failure_comes_at_once_with_exit_status_and_the_last_lines",
        f"{_ENGINE}/test_settle.py::test_peer_fault_a_task_that_fails_at_once_is_polled_until_the_timeout",
    ),
    "2.0.8": (
        f"{_ENGINE}/test_task.py::test_slow_answers_count_towards_the_timeout",
        f"{_ENGINE}/test_settle.py::test_peer_fault_timeouts_counted_in_turns",
        f"{_ENGINE}/test_wait_for.py::test_peer_fault_timeouts_counted_in_turns",
    ),
    "2.0.9": (
        f"{_ENGINE}/test_session.py::test_a_write_that_the_proxying_node_could_not_hand_on_is_repeated",
        f"{_ENGINE}/test_session.py::test_a_lock_is_waited_for_up_to_the_lock_timeout",
        f"{_CONTRACT}/test_failures.py::test_a_lock_that_only_the_task_finds_is_waited_for",
        f"{_CONTRACT}/test_failures.py::test_a_change_behind_our_back_is_refused_by_the_server",
    ),
    "2.0.10": (f"{_ENGINE}/test_lookup.py::test_what_cannot_be_seen_is_unknown",),
    "2.1.0": (
        f"{_CONTRACT}/test_power.py::test_every_power_state_is_reached_and_kept",
        f"{_CONTRACT}/test_power.py::test_ha_moves_its_guest_and_the_task_waits_for_it",
        f"{_CONTRACT}/test_power.py::test_volumes_go_where_the_storage_map_says",
        f"{_CONTRACT}/test_power.py::test_a_started_machine_is_waited_for_and_tells_its_address",
    ),
    "2.1.3": (f"{_PLAYS}::test_a_clone_by_name_is_one_machine_however_often_it_runs",),
    "2.1.4": (f"{_ENGINE}/test_power.py::test_peer_fault_paused_and_hibernated_always_fail",),
    "2.1.6": (
        f"{_CONTRACT}/test_destroy.py::test_absent_on_a_running_guest_is_never_ok",
        f"{_PLAYS}::test_a_running_machine_is_not_destroyed_unless_forced",
    ),
    "2.1.10": (f"{_ENGINE}/test_power.py::test_peer_fault_restarted_starts_a_stopped_guest",),
    "2.1.11": (
        f"{_CONTRACT}/test_power.py::test_a_guest_moves_to_the_node_that_the_task_names",
        f"{_ENGINE}/test_migrate.py::test_peer_fault_containers_cannot_be_migrated",
    ),
    "2.2.0": (
        f"{_CONTRACT}/test_power.py::test_a_guest_moves_to_the_node_that_the_task_names",
        f"{_ENGINE}/test_from_archive.py::test_a_container_is_restored_configured_and_started_in_one_task",
        f"{_ENGINE}/test_wait_for.py::test_a_container_is_asked_at_its_node",
    ),
    "2.2.8": (f"{_ENGINE}/test_birth.py::test_no_storage_is_touched_that_the_task_does_not_name",),
    "2.5.3": (f"{_CONTRACT}/test_failures.py::test_a_storage_without_snapshots_is_refused_in_the_plan",),
    "5.1": (_LAWS, f"{_CONTRACT}/test_power.py::test_every_power_state_is_reached_and_kept"),
    "5.2": (_LAWS,),
    "5.4": (_LAWS, f"{_CONTRACT}/test_power.py::test_every_power_state_is_reached_and_kept"),
    "5.5": (_LAWS, f"{_CONTRACT}/test_power.py::test_a_pending_change_is_taken_over_by_the_reboot_that_was_asked_for"),
    "5.8": (_LAWS,),
    "5.14": (_LAWS, f"{_PLAYS}::test_a_clone_by_name_is_one_machine_however_often_it_runs"),
    "5.16": (_LAWS, f"{_CONTRACT}/test_power.py::test_a_guest_moves_to_the_node_that_the_task_names"),
}

NOT_HERE = {
    "2.0.11": "only PVE 8.4 and later are spoken to, and no code asks for an older one",
    "2.3.4": "the same; disks are options of the guest, and growing is one call on every version",
}

#: the part of an id that has no counterpart here, beside tests for the rest of it
NOT_ALL_OF_IT = {
    "2.2.0": "suspending a container: PVE's own description calls it experimental",
    "5.7": "sendkey: the path is reached by the module `api`, and the lab does not serve it",
    "5.10": "raw lxc keys: the API does not write them, not even for root",
    "5.17": "migration to another cluster: it takes a token of that cluster, and a task speaks to one",
    "5.19": "uploading snippets: the API takes no snippets",
}
