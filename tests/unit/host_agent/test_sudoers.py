# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rules of sudoers and their proof, without sudo: that nothing of the table is left out, and what is refused."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from ansible_collections.steward.proxmox.plugins.doc_fragments.sudoers import ModuleDocFragment
from ansible_collections.steward.proxmox.plugins.filter.sudoers import sudoers
from ansible_collections.steward.proxmox.plugins.filter.sudoers_proof import sudoers_proof
from ansible_collections.steward.proxmox.plugins.module_utils._host.operations import OPERATIONS, PARTS, PROGRAMS
from ansible_collections.steward.proxmox.plugins.plugin_utils._sudoers import EXAMPLES, Agent

ROLE = Path(__file__).parents[3] / "roles" / "host_agent"
NEED_ROOT = [row.name for row in OPERATIONS.values() if row.as_root]
AGENT = Agent("steward", exec_vmids=(101, 102))
#: sudo takes a longer expression without a word, and then it matches nothing (1.9.13, 1.9.16)
LONGEST = 1024


def rules(agent: Agent) -> list[tuple[str, re.Pattern[str]]]:
    """Program and arguments of each rule."""
    found = re.findall(r"^steward ALL=\(root\) NOPASSWD: (\S+) (\^.*\$)$", agent.sudoers(), re.MULTILINE)
    return [(program, re.compile(f"{rule[:-1]}\\Z", re.DOTALL)) for program, rule in found]


def is_allowed(line: list[str], agent: Agent = AGENT) -> bool:
    return any(program == line[0] and rule.match(" ".join(line[1:])) for program, rule in rules(agent))


def test_every_operation_that_needs_root_has_an_example() -> None:
    assert sorted(EXAMPLES) == sorted(NEED_ROOT)


@pytest.mark.parametrize("name", NEED_ROOT)
def test_the_example_has_a_value_for_every_parameter(name: str) -> None:
    lacking = [
        parameter.name
        for parameter in OPERATIONS[name].parameters
        if parameter.form and not any(re.fullmatch(parameter.name, given) for given in EXAMPLES[name])
    ]
    assert lacking == []
    OPERATIONS[name].arguments(EXAMPLES[name])


def test_there_is_a_rule_for_each_and_none_is_too_long_for_sudo() -> None:
    assert len(rules(AGENT)) == len(AGENT.sudoers().splitlines()) - 1 == len(NEED_ROOT) + 2
    assert max(len(rule.pattern) for _program, rule in rules(AGENT)) <= LONGEST


def test_what_is_needed_is_allowed() -> None:
    lines = list(AGENT.allowed())
    assert len(lines) == len(NEED_ROOT) + 2
    assert [line for line in lines if not is_allowed(line)] == []


def test_what_comes_close_is_not() -> None:
    lines = list(AGENT.refused())
    assert [line for line in lines if is_allowed(line)] == []
    for name in NEED_ROOT:
        program = PROGRAMS[OPERATIONS[name].program].path
        assert len([line for line in lines if line[0] == program]) >= 8, name
    assert len(lines) > 500


def test_without_containers_nothing_is_run_in_one() -> None:
    agent = Agent("steward")
    assert " ^exec " not in agent.sudoers()
    assert not is_allowed(["/usr/sbin/pct", "exec", "100", "--keep-env", "0", "--", "/bin/sh", "-c", "id"], agent)


def test_fewer_operations_are_fewer_rules() -> None:
    agent = Agent("steward", operations=["smart", "sensors"])
    assert {program for program, _rule in rules(agent)} == {"/usr/sbin/smartctl"}
    assert [line for line in agent.refused() if is_allowed(line, agent)] == []


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"operations": ["pct create"]}, "pct create is not among golden_lxc, usb_mount, smart, sensors"),
        ({"exec_vmids": [99]}, "exec_vmids: 99 is not valid: a guest id is between 100 and 999999999"),
        ({"pct": "/usr/bin/id"}, "is not the absolute path of a program called pct"),
        ({"pct": "/usr/sbin/pct ALL"}, "is not the absolute path of a program called pct"),
        ({"vmids": [101]}, "vmids"),
    ],
)
def test_what_is_wrong_is_told(options: dict[str, Any], says: str) -> None:
    for made in (sudoers, sudoers_proof):
        with pytest.raises(AnsibleFilterError, match=re.escape(says)):
            made("steward", **options)


@pytest.mark.parametrize("user", ["root", "ALL", "%sudo", "a b", "a.b", "a\n", "-a", "", "#0", "a" * 33])
def test_a_name_that_is_more_than_a_name_is_refused(user: str) -> None:
    with pytest.raises(AnsibleFilterError, match="is not the name of a user"):
        sudoers(user)


def test_role_filters_and_module_name_the_same_operations() -> None:
    spec = yaml.safe_load((ROLE / "meta" / "argument_specs.yml").read_text())["argument_specs"]["main"]["options"]
    fragment = yaml.safe_load(ModuleDocFragment.DOCUMENTATION)["options"]
    defaults = yaml.safe_load((ROLE / "defaults" / "main.yml").read_text())
    for found in (spec["host_agent_operations"], fragment["operations"]):
        assert found["choices"] == found["default"] == list(PARTS)
    assert {name: option.get("default") for name, option in spec.items()} == defaults
