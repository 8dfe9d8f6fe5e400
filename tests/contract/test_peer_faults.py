# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""No fault of the table is forgotten, and every test that the table names exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.contract.peer_faults import ELSEWHERE, FAULTS, NOT_ALL_OF_IT, NOT_HERE

ROOT = Path(__file__).parents[2]
FILES = [path for path in sorted(Path(__file__).parent.glob("test_peer_*.py")) if path.name != Path(__file__).name]
IDS = re.compile(r"\d\.\d+(?:\.\d+)?(?: \d\.\d+(?:\.\d+)?)*")
NAMED = [name for names in ELSEWHERE.values() for name in names]


def functions_of(path: Path) -> dict[str, str]:
    """Name of each test of a file -> its docstring."""
    found = ast.parse(path.read_text(encoding="utf-8")).body
    functions = [node for node in found if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")]
    return {function.name: ast.get_docstring(function) or "" for function in functions}


def proven_here() -> set[str]:
    return {fault for path in FILES for text in functions_of(path).values() for fault in text.split()}


def test_every_fault_is_accounted_for() -> None:
    assert FAULTS.keys() - proven_here() - ELSEWHERE.keys() - NOT_HERE.keys() == set()


def test_nothing_is_proven_that_the_table_does_not_name() -> None:
    assert (proven_here() | ELSEWHERE.keys() | NOT_HERE.keys() | NOT_ALL_OF_IT.keys()) - FAULTS.keys() == set()


def test_a_fault_is_not_excused_and_proven_at_once() -> None:
    assert NOT_HERE.keys() & (proven_here() | ELSEWHERE.keys()) == set()
    assert NOT_ALL_OF_IT.keys() - proven_here() - ELSEWHERE.keys() == set()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_test_of_a_fault_says_which(path: Path) -> None:
    tests = functions_of(path)
    assert tests
    assert [name for name, text in tests.items() if not IDS.fullmatch(text)] == []


@pytest.mark.parametrize("name", sorted(set(NAMED)))
def test_a_test_that_the_table_names_exists(name: str) -> None:
    file, _colons, test = name.partition("::")
    assert test in functions_of(ROOT / file)


def test_no_code_is_for_versions_that_the_collection_does_not_speak_to() -> None:
    sources = [*ROOT.glob("plugins/**/*.py")]
    old = re.compile(r"openvz|vz_type|\bpve ?[3-7]\b", re.IGNORECASE)
    assert len(sources) > 50
    assert [path.name for path in sources if old.search(path.read_text(encoding="utf-8"))] == []
