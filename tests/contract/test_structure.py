# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The shape that keeps the laws: who may write, how small a module is, what the engine must not know."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._world import World

from tests.contract.harness import MODULES, PLUGINS, planner_of

ENGINE = PLUGINS / "module_utils"
SOURCES = sorted([*ENGINE.rglob("*.py"), *(PLUGINS / "modules").glob("*.py"), *(PLUGINS / "action").glob("*.py")])
DOCUMENTATION = {"DOCUMENTATION", "EXAMPLES", "RETURN"}
#: the session and the host answer `send`; the applier alone calls it
ONLY_WRITER = "_apply.py"
LONGEST_KIND = 20


def calls_of(path: Path, name: str) -> list[int]:
    """The lines that call a method of this name."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)]
    return [call.lineno for call in calls if isinstance(call.func, ast.Attribute) and call.func.attr == name]


def code_of(module: str) -> list[str]:
    """The lines of a module file beside its documentation, comments and blank lines."""
    text = (PLUGINS / "modules" / f"{module}.py").read_text(encoding="utf-8")
    lines = text.splitlines()
    for node in ast.parse(text).body:
        names = {target.id for target in getattr(node, "targets", []) if isinstance(target, ast.Name)}
        if names & DOCUMENTATION:
            for number in range(node.lineno - 1, node.end_lineno or node.lineno):
                lines[number] = ""
    return [line for line in lines if line.strip() and not line.startswith("#")]


def test_only_the_applier_writes() -> None:
    callers = {path.name: calls_of(path, "send") for path in SOURCES}
    assert [name for name, lines in callers.items() if lines] == [ONLY_WRITER]


def test_the_world_of_a_planner_can_only_read() -> None:
    public = {name for name in vars(World) if not name.startswith("_")}
    assert not {name for name in public if re.search(r"send|post|put|delete|write|request", name)}
    assert {"get", "find", "permissions"} <= public


def test_only_one_file_imports_the_client() -> None:
    client = re.compile(r"^\s*(?:import|from) (?:proxmoxer|requests)\b", re.MULTILINE)
    assert [path.name for path in SOURCES if client.search(path.read_text(encoding="utf-8"))] == ["_session.py"]


@pytest.mark.parametrize("module", MODULES)
def test_a_module_knows_nothing_of_check_mode(module: str) -> None:
    assert [line for line in code_of(module) if re.search(r"\bcheck_mode\b", line)] == []


@pytest.mark.parametrize("module", [module for module in MODULES if planner_of(module)])
def test_a_module_is_documentation_and_a_call(module: str) -> None:
    assert len(code_of(module)) <= LONGEST_KIND


#: in _guest a kind is a container or a machine, which the API itself tells apart
KINDLESS = [path for path in SOURCES if path.parent.name != "_guest"]


@pytest.mark.parametrize("path", KINDLESS, ids=lambda path: str(path.relative_to(PLUGINS)))
def test_no_code_is_for_one_kind_only(path: Path) -> None:
    """What differs between kinds of object is data: nothing asks which kind it has in front of it."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    compared = [
        ast.unparse(node)
        for node in ast.walk(tree)
        if isinstance(node, ast.Compare) and re.match(r"(?:self\.)?kind(?:\.name)?$", ast.unparse(node.left))
    ]
    allowed = {"kind is None"}  # no guest type was asked for
    assert set(compared) <= allowed


def test_the_fence_and_the_session_stay_apart() -> None:
    for path in (ENGINE / "_host").glob("*.py"):
        network = r"^\s*(?:import|from) (?:\S*_session|requests|http|urllib|socket)\b"
        assert not re.search(network, path.read_text(encoding="utf-8"), re.MULTILINE), path.name
    assert "subprocess" not in (ENGINE / "_session.py").read_text(encoding="utf-8")
