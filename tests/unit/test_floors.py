# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The floors of plugins/module_utils are those of docs/architecture.md: nothing imports what stands below it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UTILS = ROOT / "plugins" / "module_utils"


def floors() -> list[set[str]]:
    """The rows of the first table, from the top."""
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    table = page.partition("## The floors of")[2].partition("\nOn the controller")[0]
    first_cells = re.findall(r"^\| (`_[^|]*) \|", table, re.MULTILINE)
    return [set(re.findall(r"`(_\w+)/?`", cell)) for cell in first_cells]


FLOOR_OF = {name: height for height, names in enumerate(floors()) for name in names}
UNITS = sorted(path.stem for path in UTILS.glob("_*") if path.name not in ("__init__.py", "__pycache__"))


def test_every_file_has_a_floor() -> None:
    assert sorted(FLOOR_OF) == UNITS


@pytest.mark.parametrize("unit", UNITS)
def test_nothing_imports_what_is_below_it(unit: str) -> None:
    paths = (UTILS / unit).rglob("*.py") if (UTILS / unit).is_dir() else [UTILS / f"{unit}.py"]
    below = {name for path in paths for name in imported(path) if FLOOR_OF[name] > FLOOR_OF[unit]}
    assert below == set()


def imported(path: Path) -> Iterator[str]:
    """The files and folders of module_utils that a file imports."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            folder = path.parents[node.level - 1]
            for name in [node.module] if node.module else [alias.name for alias in node.names]:
                yield folder.joinpath(*name.split(".")).relative_to(UTILS).parts[0]
