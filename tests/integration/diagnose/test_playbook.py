# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The playbook: the API over HTTPS, the node over ssh and sudo, and real containers through pct."""

import json
import platform
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from ansible_collections.steward.proxmox.plugins.module_utils._host.operations import PARTS
from ansible_collections.steward.proxmox.plugins.module_utils._host.sudo import rules

from tests.demo.site import ROOT, Run, Site
from tests.lab.state import Guest
from tests.node.node import Container, Node

#: what a node calls itself: this machine, whatever the lab's nodes are called
HERE = platform.node().partition(".")[0]
PLAYBOOK = ROOT / "playbooks" / "diagnose.yml"
QUERY = {"database": "shop", "query": "select count(*) from orders"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, node: Node) -> Iterator[Site]:
    """A lab, whose pve1 is the node."""
    with Site(tmp_path_factory.mktemp("diagnosed")) as made:
        python = {"ansible_python_interpreter": sys.executable}
        inventory = {
            "all": {
                "hosts": {
                    "pve1.example.com": node.variables,
                    "localhost": python | {"ansible_connection": "local"},
                }
            }
        }
        (made.folder / "hosts").unlink()
        (made.folder / "hosts.yml").write_text(yaml.safe_dump(inventory))
        configuration = made.folder / "ansible.cfg"
        configuration.write_text(configuration.read_text().replace("= hosts", "= hosts.yml"))
        yield made


def diagnose(
    site: Site, node: Node, *arguments: str, opened: str = "*", **variables: Any
) -> tuple[Run, dict[str, Any]]:
    """The run, and its report."""
    report = site.folder / "report.json"
    report.unlink(missing_ok=True)
    connection: dict[str, Any] = {
        "proxmox_node_host": [node.host],
        "proxmox_node_port": node.port,
        "proxmox_node_user": node.user,
        "proxmox_node_private_key_file": str(node.key),
        "proxmox_node_known_hosts": [str(node.known_hosts)],
        "ansible_pct_executable": str(node.pct),
    }
    run = site.play(
        PLAYBOOK,
        *arguments,
        name="diagnose",
        around={"STEWARD_EXEC_PCT": opened, "STEWARD_EXEC_QGA": "301"},
        diagnose_file=str(report),
        **connection,
        **variables,
    )
    return run, json.loads(report.read_text()) if report.exists() else {}


def told(report: dict[str, Any], subject: str = "") -> set[tuple[str, str, str]]:
    return {(flag["level"], flag["check"], flag["subject"]) for flag in report["flags"] if subject in flag["subject"]}


def test_a_cluster_a_node_and_its_containers(
    site: Site, node: Node, container: Container, python_container: Container
) -> None:
    smart = rules(node.user, names=[row.name for row in PARTS["smart"]])
    node.allow("\n".join([f"{node.user} ALL=(root) NOPASSWD: {node.pct}", *smart]))
    container.run("sh", "-c", "printf 'fine\\nERROR: no space\\n' > /tmp/app.log")
    machine = Guest(301, "qemu", "pve1", {"name": "shop", "agent": "1"}, started=time.time(), addresses={})
    machine.runner = python_container.attach()
    site.lab.state.guests[301] = machine
    site.lab.state.nodes["pve2"] = {**site.lab.state.nodes["pve2"], "disks": [{"health": "FAILED!"}]}
    node.forget()
    run, report = diagnose(
        site,
        node,
        diagnose_node_hosts={HERE: "pve1.example.com"},
        diagnose_guests=[
            {"vmid": 101, "logs": ["/tmp/app.log", "/no such log"]},
            {"vmid": 301, "how": "qga", "psql": [QUERY], "subject": "the shop"},
            {"vmid": 199},
        ],
    )
    assert (run.status, run.failed) == (0, 0)
    # nothing was asked of the API but to run commands in the machine
    assert {write["path"].rpartition("/301/")[2] for write in run.writes} == {"agent/exec"}
    assert ("warning", "backups", "qemu/301 shop") in told(report)
    assert told(report, "pve2") == {("critical", "disks", "/dev/nvme0n1 on pve2")}
    # real answers: of busybox, of a machine that systemd did not start, and of none
    assert told(report, "lxc/101") == {
        ("unread", "units", "lxc/101"),
        ("unread", "journal", "lxc/101"),
        ("unread", "ports", "lxc/101"),
        ("warning", "log", "/tmp/app.log in lxc/101"),
        ("unread", "log", "/no such log in lxc/101"),
    }
    assert {("unread", "units", "the shop"), ("unread", "psql", "shop in the shop")} <= told(report, "the shop")
    assert told(report, "lxc/199") == {("unread", "inside", "lxc/199")}
    assert "199" in next(flag["what"] for flag in report["flags"] if flag["subject"] == "lxc/199")
    # what was read of them is evidence
    assert report["evidence"]["lxc/101"]["/tmp/app.log"] == ["fine", "ERROR: no space"]
    assert report["evidence"]["lxc/101"]["memory"][0].startswith("MemTotal:")
    assert any(line.endswith(" /") for line in report["evidence"]["the shop"]["disks"])
    # on the node itself the user may read the disks, and there is no other sensor than this machine's
    assert set(report["evidence"][HERE]["smart"]) == {"disks", "unread"}
    assert "chips" in report["evidence"][HERE]["sensors"]
    assert report["evidence"]["pve1"]["zfs"]
    assert report["counts"]["critical"] == 1
    assert "critical: disks: /dev/nvme0n1 on pve2: SMART says FAILED!" in run.output
    # each command is one pct exec; whoever cannot be reached is tried once
    assert [call[1] for call in node.calls].count("199") == 1
    assert [call[1] for call in node.calls].count("101") == 9


def test_what_is_denied_or_out_of_reach_is_told_in_check_mode_as_well(
    site: Site, node: Node, container: Container
) -> None:
    node.allow_pct()
    node.forget()
    nodes = {HERE: "pve1.example.com", "pve2": "nowhere.invalid", "pve3": "pve1.example.com"}
    run, report = diagnose(
        site,
        node,
        "--check",
        opened="102",
        diagnose_api=False,
        diagnose_node_hosts=nodes,
        diagnose_guests=[{"vmid": 101}],
        diagnose_fail_on=["unread"],
    )
    assert node.calls == []
    whys = {(flag["check"], flag["subject"]): flag["what"] for flag in report["flags"]}
    assert "STEWARD_EXEC_PCT" in whys["inside", "lxc/101"]
    # sudo allows pct alone
    assert "sudo" in whys["smart", HERE]
    # nothing is said of a node that was not asked: of no host, or of another node's
    assert "could not be reached" in whys["node", "pve2"]
    assert f"this is {platform.node()}, not pve3" in whys["node", "pve3"]
    assert {check for check, subject in whys if subject in ("pve2", "pve3")} == {"node"}
    # reported first, and failed then
    assert (run.status, run.failed) == (2, 1)


def test_what_cannot_be_looked_at_is_refused_before_anything_is_asked(site: Site, node: Node) -> None:
    site.lab.requests.clear()
    run, _report = diagnose(site, node, diagnose_guests=[{"vmid": 101, "logs": ["app.log"]}])
    assert run.failed == 1
    assert "logs: 'app.log' is not an absolute path" in run.output
    assert site.lab.requests == []


def test_where_all_was_read_and_is_well_it_says_so(site: Site, node: Node) -> None:
    run, report = diagnose(site, node, diagnose_checks=["cluster"], diagnose_nodes=["pve1"])
    assert (run.status, report["flags"], report["nodes"]) == (0, [], ["pve1"])
    assert "All of it was read, and all of it is well" in run.output
    # a report may tell much
    assert (site.folder / "report.json").stat().st_mode & 0o777 == 0o600
