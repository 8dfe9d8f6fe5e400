# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who runs what: the facts that open a run. Only named variables are read, never all of a play's variables."""

import hashlib
import os
import platform
import pwd
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.parsing.dataloader import DataLoader
from ansible.release import __version__ as ansible_version

COLLECTION = Path(__file__).parents[3]

# AWX sets these itself, after a template's and a launcher's own variables, so they cannot be forged there.
AWX_VARIABLES = (
    "job_id",
    "job_launch_type",
    "job_template_id",
    "job_template_name",
    "user_id",
    "user_name",
    "workflow_job_id",
    "workflow_job_name",
    "schedule_id",
    "schedule_name",
    "parent_job_schedule_id",
    "parent_job_schedule_name",
    "inventory_id",
    "inventory_name",
    "project_revision",
    "project_scm_branch",
    "execution_node",
)
# But it sets a user only where there is one: of a job that nobody launched, these came from a survey or a template.
OF_A_USER = {"awx_user_id", "awx_user_name"}
BY_A_USER = {"manual", "relaunch", "workflow"}
# A workflow says that much of each of its jobs, also where nobody launched it; then it says one of these, too.
BY_NOBODY = ("awx_schedule_id", "awx_parent_job_schedule_id", "awx_webhook_event_type")


def actor(extra_vars: Mapping[str, Any]) -> dict[str, Any]:
    """Who is responsible, and how we know: ``source`` tells AWX, the environment and the system's user apart."""
    try:
        login = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # an execution environment runs under a number without a name
        login = str(os.getuid())
    found: dict[str, Any] = {"source": "os", "user": login, "uid": os.getuid()}
    if named := os.environ.get("STEWARD_ACTOR"):
        found |= {"source": "env", "user": named}
    if "AWX_PRIVATE_DATA_DIR" in os.environ and "JOB_ID" in os.environ:
        awx = {f"awx_{name}": extra_vars[f"awx_{name}"] for name in AWX_VARIABLES if f"awx_{name}" in extra_vars}
        if awx.get("awx_job_launch_type") not in BY_A_USER or any(name in extra_vars for name in BY_NOBODY):
            awx = {name: value for name, value in awx.items() if name not in OF_A_USER}
        host = {"awx_host": os.environ["AWX_HOST"]} if "AWX_HOST" in os.environ else {}
        found |= {"source": "awx", "user": awx.get("awx_user_name")} | awx | host
    return found


def of_task(task: Any) -> dict[str, Any]:
    """The actor of a run, as one of its tasks sees it: by what the command line gave, and by nothing that a playbook
    could have set."""
    manager = task.get_variable_manager()
    return actor(manager.extra_vars if manager else {})


def machine() -> dict[str, Any]:
    return {"host": socket.gethostname(), "pid": os.getpid()}


def versions() -> dict[str, str]:
    return {**_collection(), "ansible": ansible_version, "python": platform.python_version()}


def _collection() -> dict[str, str]:
    """From the manifest of an installed collection, whose hash stands for all its files; or from galaxy.yml."""
    manifest, source = COLLECTION / "MANIFEST.json", COLLECTION / "galaxy.yml"
    if manifest.exists():
        version = DataLoader().load_from_file(str(manifest))["collection_info"]["version"]
        return {"collection": str(version), "manifest": f"sha256:{hashlib.sha256(manifest.read_bytes()).hexdigest()}"}
    if source.exists():
        return {"collection": str(DataLoader().load_from_file(str(source))["version"])}
    return {"collection": "unknown"}
