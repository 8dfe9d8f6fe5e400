# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The shape of the repository: what belongs together stays together, and only what is meant to ship does."""

import re
import subprocess
import sys
import tarfile
from itertools import islice
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
SOURCE_SUFFIXES = {".cfg", ".j2", ".py", ".sh", ".sql", ".toml", ".yaml", ".yml"}
SOURCE_NAMES = {
    ".ansible-lint",
    ".gitignore",
    ".yamllint",
    "Makefile",
    "bindep.txt",
    "requirements.txt",
    "requirements-postgresql.txt",
}
LICENCE = "SPDX-License-Identifier: GPL-3.0-or-later"

# Traces of the place where a file was written. Spelt so that this file does not hold them.
TRACES = re.compile(
    "|".join(
        [
            r"(?<![\w.])/wo" + "rk/",
            r"(?<![\w.])/opt/py" + "pi",
            "/root/[.]py" + "env",
            r"\bsess" + "ion of",
            "pypi[.]" + "org",
            "python" + "hosted",
            "artifact" + "ory",
        ]
    ),
    re.IGNORECASE,
)


def repository_files() -> list[str]:
    """What git knows or would add."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return sorted(name for name in names.split("\0") if name and (ROOT / name).is_file())


FILES = repository_files()


def plugin_names(kind: str) -> set[str]:
    return {path.stem for path in (ROOT / "plugins" / kind).glob("*.py")}


def is_source(name: str) -> bool:
    path = ROOT / name
    if not path.stat().st_size:  # ansible-test wants some __init__.py to be empty
        return False
    return path.suffix in SOURCE_SUFFIXES or path.name in SOURCE_NAMES or path.read_bytes().startswith(b"#!")


@pytest.mark.parametrize("name", [name for name in FILES if is_source(name)])
def test_every_source_file_names_its_licence(name: str) -> None:
    with (ROOT / name).open(encoding="utf-8") as lines:
        head = list(islice(lines, 6))
    assert any(LICENCE in line for line in head)


@pytest.mark.parametrize("name", FILES)
def test_no_file_tells_where_it_was_written(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8", errors="replace")
    assert [match[0] for match in TRACES.finditer(text)] == []


def test_the_action_group_holds_every_module() -> None:
    groups = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text())["action_groups"]
    assert groups["proxmox"] == sorted(plugin_names("modules"))


def test_every_module_has_an_action_plugin() -> None:
    assert plugin_names("action") == plugin_names("modules")


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The names of the files that `ansible-galaxy collection build` ships."""
    folder = tmp_path_factory.mktemp("artifact")
    galaxy = Path(sys.executable).with_name("ansible-galaxy")
    subprocess.run([galaxy, "collection", "build", "--output-path", folder, ROOT], check=True, capture_output=True)
    (tarball,) = folder.glob("steward-proxmox-*.tar.gz")
    with tarfile.open(tarball) as archive:
        return {member.name for member in archive if member.isfile()}


@pytest.mark.parametrize("folder", ["changelogs", "docs", "meta", "playbooks", "plugins", "roles"])
def test_the_artifact_holds_what_users_need(artifact: set[str], folder: str) -> None:
    wanted = {name for name in FILES if name.startswith(f"{folder}/")}
    assert wanted
    assert wanted <= artifact


def test_the_artifact_holds_nothing_else(artifact: set[str]) -> None:
    made_by_the_build = {"FILES.json", "MANIFEST.json"}
    assert artifact - made_by_the_build - set(FILES) == set()
    assert {name for name in artifact if name.startswith(("tests/", ".ci/", ".venv", ".git"))} == set()
