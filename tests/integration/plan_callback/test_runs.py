# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What people, files and exit statuses say at the end of real runs of ansible-playbook."""

import stat
from typing import Any

from .conftest import Site

TEMPLATE = "local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst"
SECRET = "very-secret-word"


def lxc(title: str, vmid: Any, _task: dict[str, Any] | None = None, **options: Any) -> dict[str, Any]:
    return {"name": title, "steward.proxmox.lxc": {"vmid": vmid, "node": "pve1", **options}} | (_task or {})


def create(title: str, vmid: Any, _task: dict[str, Any] | None = None, **options: Any) -> dict[str, Any]:
    born = {"source": {"template": TEMPLATE}, "rootfs": {"storage": "local-zfs", "size": "4G"}}
    return lxc(title, vmid, _task, **born, **options)


CHANGE = lxc("Change", 200, cores=3, net=[{"slot": "net0", "ip": "10.0.0.5/24"}])


HIDDEN = create("Hidden", 9002, {"no_log": True}, name="hidden", description=SECRET, password=SECRET)
HEADLINE = "Plan: 0 to create, 1 to change, 0 to destroy; highest risk: medium, missing privileges: 0"
MARK = {"name": "Go on", "ansible.builtin.debug": {"msg": "WENT ON"}}


def test_a_check_run_is_taken_in_at_a_look(site: Site) -> None:
    made = create("Make", 9001, name="golden-docker", state="started", password=SECRET)
    done = site.play(CHANGE, made, lxc("Remove", 200, state="absent", force=True))
    assert done.status == 0, done.output
    assert done.shown[:-2] == [
        "one / Change",
        "  ~ update lxc/200 web on pve1",
        "      cores: 2 -> 3",
        "      net0.ip: dhcp -> 10.0.0.5/24",
        "    risk medium: changes the configuration of lxc/200",
        "    touches guest lxc/200; node pve1",
        "one / Make",
        "  + create lxc/9001 golden-docker on pve1",
        "      memory: 512",
        "      swap: 512",
        "      unprivileged: 1",
        "      hostname: golden-docker",
        "      rootfs: local-zfs:(known after apply: rootfs of lxc/9001),size=4G",
        "      power: running",
        "  > start lxc/9001 golden-docker on pve1",
        "    touches guest lxc/9001; node pve1; storage local-zfs",
        "one / Remove",
        "  > stop lxc/200 web on pve1",
        "  - destroy lxc/200 web on pve1",
        "      name: web",
        "    risk high: lxc/200 is switched off at once: what it has not written to its",
        "      disks is lost; destroys lxc/200 with 1 volume(s); there is no backup of",
        "      it on the storages of node pve1",
        "    touches guest lxc/200; node pve1; storage local-zfs; volume",
        "      local-zfs:subvol-200-disk-0",
        "    cannot be undone: its volumes are gone, and there is no backup of it",
    ]
    assert done.shown[-1] == (
        "Plan: 1 to create, 1 to change, 1 to destroy, 2 other operations; highest risk: high, missing privileges: 0"
    )
    assert done.shown[-2] == f"Digest of all plans: {site.json['digest']}"
    assert site.lab.writes == []
    assert SECRET not in done.output + site.text


def test_the_files_say_the_same_and_are_private(site: Site) -> None:
    assert site.play(CHANGE).status == 0
    assert site.json["totals"]["change"] == 1
    assert site.json["plans"][0]["changes"][1] == {"key": "net0.ip", "before": "dhcp", "after": "10.0.0.5/24"}
    assert site.markdown.startswith("### Plan: 0 to create, 1 to change, 0 to destroy\n")
    modes = [stat.S_IMODE((site.folder / name).stat().st_mode) for name in ("plan.json", "plan.md")]
    assert modes == [0o600, 0o600]


def test_no_log_is_shown_without_its_values(site: Site) -> None:
    done = site.play(HIDDEN)
    assert done.shown[:3] == [
        "one / Hidden (no_log)",
        "  + create lxc/9002 hidden on pve1",
        "    its values are hidden by no_log",
    ]
    only = site.json["plans"][0]
    assert (only["no_log"], only["changes"]) == (True, [])
    assert set(only["plan"]["steps"][0]["data"].values()) == {"********"}
    assert SECRET not in done.output + site.text


def test_a_loop_on_forks_is_in_order_and_has_one_digest(site: Site) -> None:
    numbered = "{{ 9000 + 10 * (inventory_hostname[1:] | int) + item }}"
    task = create("Make {{ item }}", numbered, {"loop": [1, 2]}, name="{{ inventory_hostname }}-{{ item }}")
    runs = []
    for hosts in ("h1,h2,h3,", "h3,h2,h1,"):
        done = site.play(task, hosts=hosts)
        assert done.status == 0, done.output
        runs.append(site.json)
    targets = [entry["plan"]["steps"][0]["target"] for entry in runs[0]["plans"]]
    assert targets == ["lxc/9011", "lxc/9012", "lxc/9021", "lxc/9022", "lxc/9031", "lxc/9032"]
    assert runs[0]["digest"] == runs[1]["digest"]
    assert runs[0]["totals"]["create"] == 6


def test_nothing_to_change(site: Site) -> None:
    done = site.play(lxc("Leave", 200, cores=2))
    assert (done.status, done.shown) == (0, ["Plan: nothing to change"])
    assert (site.json["plans"], site.json["totals"]["plans"]) == ([], 0)


def test_a_failed_host_makes_the_plan_incomplete(site: Site) -> None:
    done = site.play(lxc("Remove", 200, state="absent"))  # it runs, and force is not set
    assert done.status == 2, done.output
    assert done.shown == [
        "INCOMPLETE: failed: one; what later tasks there would do is not known",
        "Plan: nothing to change as far as it could be planned",
    ]
    assert site.json["failed_hosts"] == ["one"]


def test_missing_privileges_are_named(site: Site) -> None:
    done = site.play(CHANGE, who="auditor")
    assert "    missing privilege: VM.Config.CPU on /vms/200" in done.shown
    assert "    missing privilege: VM.Config.Network on /vms/200" in done.shown
    assert "    missing privilege: SDN.Use on /sdn/zones/localnetwork/vmbr0" in done.shown
    assert done.shown[-1] == HEADLINE.replace("privileges: 0", "privileges: 3")


def test_a_real_run_is_silent_and_writes_how_the_steps_went(site: Site) -> None:
    loop = create("Make", "{{ item }}", {"loop": [9001, 9002]}, name="n{{ item }}", state="started")
    tasks = [CHANGE, loop]
    site.play(*tasks)
    planned = site.json
    done = site.play(*tasks, check=False)
    assert done.status == 0, done.output
    assert not done.shown
    statuses = [[step["status"] for step in entry["plan"]["steps"]] for entry in site.json["plans"]]
    assert statuses == [["done"], ["done", "done"], ["done", "done"]]
    assert all("upid" in step for entry in site.json["plans"][1:] for step in entry["plan"]["steps"])
    assert (site.json["digest"], site.json["check_mode"]) == (planned["digest"], False)
    assert "<code>carried out</code>" in site.markdown


def test_a_step_that_failed_is_written(site: Site) -> None:
    site.lab.fault(method="POST", path=r"/status/start$", count=1, task_exit="no space left")
    done = site.play(create("Make", 9001, name="new", state="started"), check=False)
    assert done.status == 2, done.output
    steps = site.json["plans"][0]["plan"]["steps"]
    assert [step["status"] for step in steps] == ["done", "failed"]
    assert "no space left" in steps[1]["error"]
    assert "no space left" in site.markdown


def test_a_task_in_check_mode_is_shown_in_a_real_run(site: Site) -> None:
    preview = lxc("Preview", 200, {"check_mode": True}, memory=1024)
    done = site.play(preview, lxc("Change", 200, cores=3), check=False)
    assert [line for line in done.shown if " / " in line] == [
        "one / Preview",
        "one / Change (not only planned: carried out)",
    ]
    assert done.shown[-1].endswith("; 1 of 2 plans not only planned")


def test_without_files_a_real_run_leaves_nothing(site: Site) -> None:
    done = site.play(CHANGE, check=False, files=False)
    assert (done.status, done.shown) == (0, [])
    assert not list(site.folder.glob("plan.*"))


def test_colours_are_for_terminals(site: Site) -> None:
    assert "\x1b" not in site.play(CHANGE).output
    coloured = site.play(CHANGE, environment={"ANSIBLE_FORCE_COLOR": "1"}).output
    assert "\x1b[0;33m  ~ update lxc/200 web on pve1\x1b[0m" in coloured


def test_a_path_that_cannot_be_written_stops_the_run_before_it_starts(site: Site) -> None:
    nowhere = str(site.folder / "no" / "plan.json")
    done = site.play(CHANGE, MARK, check=False, environment={"STEWARD_PLAN_JSON": nowhere})
    assert done.status == 74, done.output
    assert f"{nowhere}: the directory {site.folder}/no does not exist. Nothing was started" in flat(done.output)
    assert "WENT ON" not in done.output
    assert site.lab.requests == []


def test_a_file_that_cannot_be_written_in_the_end_fails_the_run(site: Site) -> None:
    out = site.folder / "out"
    out.mkdir()
    remove = {"name": "Remove", "ansible.builtin.file": {"path": str(out), "state": "absent"}, "check_mode": False}
    place = str(out / "plan.json")
    python = {"ansible_python_interpreter": "{{ ansible_playbook_python }}"}
    done = site.play(CHANGE, remove, environment={"STEWARD_PLAN_JSON": place}, vars=python)
    assert done.status == 74, done.output
    assert f"could not be shown or written: OSError: {place}: the directory {out} does not exist" in flat(done.output)
    assert HEADLINE in done.output


def test_options_of_ansible_cfg(site: Site) -> None:
    site.configuration = "[steward_plan]\njson = here.json\n"
    assert site.play(CHANGE, files=False).status == 0
    assert '"version": 1' in (site.folder / "here.json").read_text()


def test_with_the_ledger_before_it_both_do_their_work(site: Site) -> None:
    site.callbacks = "steward.proxmox.ledger,steward.proxmox.plan"
    done = site.play(CHANGE, environment={"STEWARD_LEDGER_PATH": str(site.folder / "ledger")})
    assert done.status == 0, done.output
    assert "steward.proxmox ledger: run " in done.output
    assert done.shown[-1] == HEADLINE


def flat(output: str) -> str:
    """ansible-core wraps its error lines."""
    return " ".join(output.split())
