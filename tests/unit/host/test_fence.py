# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The fence holds from both sides: root commands know no HTTP, and nothing else starts programs."""

import ast
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

PLUGINS = Path(__file__).resolve().parents[3] / "plugins"
UTILS = PLUGINS / "module_utils"
COLLECTION = "ansible_collections.steward.proxmox.plugins"
#: what root commands may know of the rest: names and errors
PURE = {UTILS / "_errors.py", UTILS / "_names.py", UTILS / "_codec.py", UTILS / "_plan.py"}
HTTP = {"aiohttp", "asyncio", "ftplib", "http", "httpx", "proxmoxer", "requests", "socket", "socketserver", "ssl"}
HTTP |= {"urllib", "urllib3", "websocket", "xmlrpc", "paramiko"}
PROGRAMS = {"subprocess", "pty", "multiprocessing", "_posixsubprocess"}
STARTERS = ("system", "popen", "exec", "spawn", "posix_spawn", "fork")

HOST_FILES = sorted((UTILS / "_host").glob("**/*.py"))
OTHER_FILES = sorted(
    path
    for folder in ("module_utils", "modules", "action")
    for path in (PLUGINS / folder).glob("**/*.py")
    if path not in HOST_FILES
)


def imported(path: Path) -> set[str]:
    """The absolute names of all modules that a file imports, anywhere in it."""
    package = [COLLECTION, *path.relative_to(PLUGINS).parent.parts]
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            module = ".".join(filter(None, [base, node.module or ""]))
            found.add(module)
            found.update(f"{module}.{alias.name}" for alias in node.names)
    return found


def roots(path: Path) -> set[str]:
    return {name.partition(".")[0] for name in imported(path)}


def inside(path: Path) -> set[Path]:
    """The files of the collection that a file imports, and those that these import."""
    seen: set[Path] = set()
    waiting = [path]
    while waiting:
        for name in imported(waiting.pop()):
            file = PLUGINS.joinpath(*name.removeprefix(f"{COLLECTION}.").split(".")).with_suffix(".py")
            if name.startswith(COLLECTION) and file.is_file() and file not in seen:
                seen.add(file)
                waiting.append(file)
    return seen


def starters(path: Path) -> set[str]:
    """Calls such as os.system, and ways around an import statement."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "os":
            found.update({f"os.{node.attr}"} if node.attr.startswith(STARTERS) else set())
        elif isinstance(node, ast.ImportFrom) and node.module == "os":
            found.update(f"os.{alias.name}" for alias in node.names if alias.name.startswith(STARTERS))
        elif isinstance(node, ast.Name) and node.id in ("__import__", "eval", "exec"):
            # a field of that name starts nothing
            found.update({node.id} if isinstance(node.ctx, ast.Load) else set())
        elif isinstance(node, ast.Attribute) and node.attr in (
            "import_module",
            "run_command",
            "create_subprocess_exec",
        ):
            found.add(node.attr)
    return found


def test_there_is_something_to_look_at() -> None:
    assert {path.name for path in HOST_FILES} >= {"command.py", "operations.py", "runner.py", "sudo.py"}
    assert UTILS / "_session.py" in OTHER_FILES
    assert UTILS / "_errors.py" in inside(UTILS / "_host" / "runner.py")


@pytest.mark.parametrize("path", HOST_FILES, ids=lambda path: path.name)
def test_root_commands_know_no_http(path: Path) -> None:
    reached = inside(path)
    assert reached - set(HOST_FILES) <= PURE
    for file in {path, *reached}:
        assert roots(file) & HTTP == set()
        assert "importlib" not in roots(file)


@pytest.mark.parametrize("path", OTHER_FILES, ids=lambda path: str(path.relative_to(PLUGINS)))
def test_nothing_else_starts_programs(path: Path) -> None:
    assert roots(path) & PROGRAMS == set()
    assert starters(path) == set()


ON_CONTROLLER = PLUGINS / "plugin_utils"
WAYS_IN = sorted(path for name in ("_ssh", "_agent", "_exec") for path in (ON_CONTROLLER / name).glob("*.py"))


@pytest.mark.parametrize("path", [*WAYS_IN, *(PLUGINS / "connection").glob("*.py")], ids=lambda path: path.name)
def test_the_ways_into_guests_start_no_programs(path: Path) -> None:
    assert roots(path) & PROGRAMS == set()
    assert starters(path) == set()


def test_each_way_into_guests_keeps_to_its_own() -> None:
    """By ssh alone, or by the API alone; the snapshot before is taken through the API, where changes are made."""
    found: dict[str, set[str]] = {}
    for path in WAYS_IN:
        words = roots(path) & HTTP | {"_session"} & {file.stem for file in inside(path)}
        found.setdefault(path.parent.name, set()).update(words)
    assert found == {"_agent": {"_session"}, "_exec": {"_session"}, "_ssh": {"paramiko", "socket"}}


def test_one_file_of_the_fence_starts_programs() -> None:
    assert [path.name for path in HOST_FILES if roots(path) & PROGRAMS or starters(path)] == ["command.py"]


def test_no_http_is_loaded_where_root_commands_run() -> None:
    """The same at run time, by what Python has loaded."""
    spec = find_spec("ansible_collections.steward.proxmox")
    place = spec.submodule_search_locations[0] if spec and spec.submodule_search_locations else ""
    code = (
        f"import sys; sys.path.append({str(Path(place).parents[2])!r}); "
        f"from {COLLECTION}.module_utils._host import runner; print(sorted({HTTP!r} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    ("text", "caught"),
    [
        ("import os\nos.system('id')", {"os.system"}),
        ("from os import popen", {"os.popen"}),
        ("import os\nos.execv('/bin/sh', [])", {"os.execv"}),
        ("module.run_command('id')", {"run_command"}),
        ("__import__('subprocess')", {"__import__"}),
        ("import os\nos.getpid()", set()),
    ],
)
def test_the_fence_sees_a_hole(tmp_path: Path, text: str, caught: set[str]) -> None:
    hole = tmp_path / "hole.py"
    hole.write_text(text)
    assert starters(hole) == caught
