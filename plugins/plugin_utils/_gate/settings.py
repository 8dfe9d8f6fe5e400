# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the policy, the saved plan and the approvals are, and what else the controller says about what may be done.

The process environment and ansible.cfg belong to whoever starts the run. `environment:` of a play or task and
module_defaults belong to the authors of playbooks: they can tighten the policy, and say nothing about the rest.
"""

from __future__ import annotations

import configparser
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from ansible import constants
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.utils.path import unfrackpath
from ansible_collections.steward.proxmox.plugins.module_utils._errors import BadInput
from ansible_collections.steward.proxmox.plugins.module_utils._limits import LIMITS, LIMITS_SPEC
from ansible_collections.steward.proxmox.plugins.module_utils._policy import GUARDED, TIGHTENED, Policy, gate_spec
from ansible_collections.steward.proxmox.plugins.module_utils._policy_keys import EXEC
from ansible_collections.steward.proxmox.plugins.module_utils._protect import PROTECTS
from ansible_collections.steward.proxmox.plugins.plugin_utils._gate import policy_file

SECTION = "steward"
_POLICY = "STEWARD_POLICY"
_APPROVALS = "~/.local/share/steward-proxmox/approvals"

# Anything else than a clear no means yes: a typing error must not switch a safeguard off.
NO = {"", "0", "false", "no", "off", "n", "f"}


def is_yes(text: str) -> bool:
    return text.strip().lower() not in NO


def _items(text: str) -> list[str]:
    return [item.strip() for item in text.split(",") if item.strip()]


#: a variable -> the key of a policy that it says, and how its text is read
VARIABLES: dict[str, tuple[str, Callable[[str], Any]]] = {
    "STEWARD_APPROVAL": ("approval", str),
    "STEWARD_MAX_RISK": ("max_risk", str),
    "STEWARD_SNAPSHOT_BEFORE": ("snapshot_before", str),
    "STEWARD_PLAN_REQUIRED": ("plan", lambda text: "required" if is_yes(text) else "optional"),
    "STEWARD_ACTORS": ("actors.allow", _items),
    **{f"STEWARD_EXEC_{how.upper()}": (f"exec.{how}", _items) for how in EXEC},
    **{f"STEWARD_PROTECT_{what.upper()}": (f"protect.{what}", _items) for what in PROTECTS},
    **{f"PROXMOX_{name.upper()}": (f"limits.{name}", str) for name in LIMITS},
}
_VARIABLE_OF = {
    "actors": "STEWARD_ACTORS",
    "exec": "STEWARD_EXEC_PCT, STEWARD_EXEC_QGA",
    **{key: variable for variable, (key, _read) in VARIABLES.items()},
}

_DEFAULTS_SPEC: dict[str, Any] = {**gate_spec(), "limits": LIMITS_SPEC, "snapshot_before": {"type": "str"}}


def policy_of(task_environment: Mapping[str, Any], module_defaults: Iterable[Mapping[str, Any]]) -> Policy:
    """The policy of the controller for one task: the strictest of every place that says something.

    `module_defaults`: the options that each entry of them gives the module, templated. Raises BadInput.
    """
    environments = (os.environ, task_environment)
    named = [_named(str(given.get(_POLICY) or ""), _POLICY) for given in environments]
    named.append(_named(configured("policy"), f"policy in {constants.CONFIG_FILE}", constants.CONFIG_FILE))
    return Policy.strictest(
        *(policy for policy in named if policy),
        *(_of_environment(given) for given in environments),
        *(_of_defaults(given) for given in module_defaults),
    )


def plan_file() -> Path | None:
    """The saved plan that this run shall carry out, or None."""
    return _place("STEWARD_PLAN", "plan")


def approvals_directory() -> Path:
    """Where requests for approval are kept, and what of them was used."""
    return _place("STEWARD_APPROVALS", "approvals") or Path(_APPROVALS).expanduser()


def configured(key: str, section: str = SECTION) -> str:
    """A value of ansible.cfg; "" where it has none."""
    parser = configparser.ConfigParser(inline_comment_prefixes=(";",), interpolation=None)
    if constants.CONFIG_FILE:
        parser.read(constants.CONFIG_FILE, encoding="utf-8")
    return parser.get(section, key, fallback="").strip()


def _place(variable: str, key: str) -> Path | None:
    named = os.environ.get(variable, "")
    if named:
        return _path(named)
    named = configured(key)
    return _path(named, constants.CONFIG_FILE) if named else None


def _path(text: str, beside: str | None = None) -> Path:
    """A path with ~ and variables; a relative one of ansible.cfg is meant from the directory of that file."""
    return Path(unfrackpath(text, follow=False, basedir=str(Path(beside).parent) if beside else None))


def _named(text: str, said_by: str, beside: str | None = None) -> Policy | None:
    """The policy with this name: the built-in one, or a file."""
    if not text:
        return None
    if text == "guarded":
        return Policy.of(GUARDED, lambda _key: f"{said_by}=guarded")
    return policy_file.load(_path(text, beside), said_by)


def _of_environment(environment: Mapping[str, Any]) -> Policy:
    """What single variables say."""
    said: dict[str, Any] = {}
    for variable, (key, read) in VARIABLES.items():
        text = str(environment.get(variable) or "").strip()
        if text:
            top, _dot, name = key.partition(".")
            if name:
                said.setdefault(top, {})[name] = read(text)
            else:
                said[top] = read(text)
    return Policy.of(said, lambda key: _VARIABLE_OF.get(key, "the environment"))


def _of_defaults(options: Mapping[str, Any]) -> Policy:
    """What module_defaults say, also where the task says otherwise."""
    validated = ArgumentSpecValidator(_DEFAULTS_SPEC).validate(
        {name: options[name] for name in TIGHTENED if options.get(name) is not None}
    )
    if validated.error_messages:
        raise BadInput(f"module_defaults: {'; '.join(validated.error_messages)}")
    said = {name: value for name, value in validated.validated_parameters.items() if value is not None}
    return Policy.of(said, lambda key: f"{key} of module_defaults")
