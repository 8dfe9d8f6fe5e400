# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which commit of the playbook's project is run: as AWX or a CI system says, or else as git says."""

from __future__ import annotations

import os
import re
import subprocess
from typing import Any

#: what checks a project out says which commit that was; in an execution environment there may be no git to ask
VARIABLES = ("PROJECT_REVISION", "CI_COMMIT_SHA", "GITHUB_SHA")
TIMEOUT = 5.0
#: one question for both; a file that git does not know makes a tree dirty, because a play may read it
_ASK = ("status", "--porcelain=v2", "--branch", "--untracked-files=normal")
_COMMIT = re.compile(r"^# branch\.oid ([0-9a-f]{40,64})$", re.MULTILINE)


def of(directory: str) -> dict[str, Any] | None:
    """``commit``, ``source`` (a variable, or ``git``), and with git ``dirty``; None where nobody knows."""
    for name in VARIABLES:
        if os.environ.get(name):
            return {"commit": os.environ[name], "source": name}
    return _of_git(directory)


def _of_git(directory: str) -> dict[str, Any] | None:
    # in a hook of git, GIT_DIR and its like would have it answer for another repository
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(
            # neither a lock beside somebody's commit nor a daemon that stays
            ["git", "--no-optional-locks", "-c", "core.fsmonitor=false", *_ASK],
            cwd=directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=TIMEOUT,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    commit = _COMMIT.search(done.stdout)
    if not commit:
        return None
    changed = any(not line.startswith("#") for line in done.stdout.splitlines())
    return {"commit": commit[1], "source": "git", "dirty": changed}
