# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which commit of the playbook's project is run, and who says so."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger import revision

Git = Callable[..., str]


@pytest.fixture(autouse=True)
def nobody_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revision, "TIMEOUT", 60)
    for name in [*revision.VARIABLES, *(name for name in os.environ if name.startswith("GIT_"))]:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def git(tmp_path: Path) -> Git:
    """A project with one commit, and git in it."""

    def run(*words: str) -> str:
        said = ["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "init.defaultBranch=main"]
        done = subprocess.run(["git", *said, *words], cwd=tmp_path, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    run("init", "--quiet")
    (tmp_path / "playbooks").mkdir()
    (tmp_path / "playbooks" / "site.yml").write_text("[]\n")
    (tmp_path / ".gitignore").write_text("*.retry\n")
    run("add", ".")
    run("commit", "--quiet", "--message", "first")
    return run


@pytest.mark.parametrize("name", revision.VARIABLES)
def test_what_checked_the_project_out_knows(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "4f2a")
    assert revision.of(str(tmp_path)) == {"commit": "4f2a", "source": name}


def test_awx_is_asked_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in revision.VARIABLES:
        monkeypatch.setenv(name, name.lower())
    assert revision.of(str(tmp_path)) == {"commit": "project_revision", "source": "PROJECT_REVISION"}


def test_git_is_asked_in_the_directory_of_the_playbook(git: Git, tmp_path: Path) -> None:
    found = revision.of(str(tmp_path / "playbooks"))
    assert found == {"commit": git("rev-parse", "HEAD"), "source": "git", "dirty": False}


def test_what_was_changed_or_added_since_is_told(git: Git, tmp_path: Path) -> None:
    def dirty() -> bool:
        found = revision.of(str(tmp_path / "playbooks"))
        return bool(found and found["dirty"])

    (tmp_path / "site.retry").write_text("ignored")
    assert not dirty()
    (tmp_path / "group_vars").mkdir()
    (tmp_path / "group_vars" / "all.yml").write_text("a: 1\n")
    assert dirty()
    git("add", ".")
    assert dirty()
    git("commit", "--quiet", "--message", "second")
    assert not dirty()
    (tmp_path / "playbooks" / "site.yml").unlink()
    assert dirty()


def test_a_hook_does_not_answer_for_its_own_repository(
    git: Git, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = git("rev-parse", "HEAD")
    subprocess.run(["git", "init", "--quiet", tmp_path / "elsewhere"], check=True)
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere" / ".git"))
    found = revision.of(str(tmp_path / "playbooks"))
    assert found
    assert found["commit"] == commit


def test_nobody_knows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert revision.of(str(tmp_path)) is None
    assert revision.of(str(tmp_path / "gone")) is None
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    assert revision.of(str(tmp_path)) is None  # no commit yet
    monkeypatch.setenv("PATH", str(tmp_path))
    assert revision.of(str(tmp_path)) is None  # no git


def test_git_that_hangs_does_not_hang_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = tmp_path / "git"
    slow.write_text("#!/bin/sh\nexec sleep 60\n")
    slow.chmod(0o700)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(revision, "TIMEOUT", 0.1)
    assert revision.of(str(tmp_path)) is None
