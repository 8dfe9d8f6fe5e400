# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The documentation is the argument spec: names, types, defaults, choices, sub-options; and the examples are valid."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from tests.contract.harness import MODULES, PLUGINS, planner_of

COLLECTION = "steward.proxmox"
TEMPLATED = re.compile(r"\{\{.*\}\}")
Options = Mapping[str, Any]


@pytest.fixture(scope="module")
def documentation(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What ansible-doc reads of all modules, the fragments merged in."""
    command = [str(Path(sys.executable).with_name("ansible-doc")), "-t", "module", "--json"]
    environment = {**os.environ, "ANSIBLE_LOCAL_TEMP": str(tmp_path_factory.mktemp("ansible"))}
    names = [f"{COLLECTION}.{module}" for module in MODULES]
    shown = subprocess.run([*command, *names], check=True, capture_output=True, text=True, env=environment).stdout
    found: dict[str, Any] = json.loads(shown)
    assert set(found) == set(names)
    return found


def spec_of(module: str) -> tuple[dict[str, Any], Mapping[str, Any]]:
    """The argument spec and the rules beside it."""
    planner = planner_of(module)
    if planner is None:
        place = f"ansible_collections.steward.proxmox.plugins.modules.{module}"
        return import_module(place).ARGUMENT_SPEC, {}
    return planner.argument_spec(), planner.rules


def from_spec(options: Options) -> dict[str, Any]:
    return {name: normal(option, option.get("options")) for name, option in options.items()}


def from_documentation(options: Options) -> dict[str, Any]:
    return {name: normal(option, option.get("suboptions")) for name, option in options.items()}


def normal(option: Options, inner: Options | None) -> dict[str, Any]:
    """One option in one form, whoever wrote it."""
    key = "suboptions" if "suboptions" in option or "description" in option else "options"
    return {
        "type": option.get("type", "str"),
        "elements": option.get("elements"),
        "required": bool(option.get("required", False)),
        "default": option.get("default"),
        "choices": list(option["choices"]) if option.get("choices") else None,
        "aliases": sorted(option.get("aliases") or []),
        "options": (from_documentation if key == "suboptions" else from_spec)(inner) if inner else None,
    }


@pytest.mark.parametrize("module", MODULES)
def test_the_documentation_is_the_argument_spec(documentation: dict[str, Any], module: str) -> None:
    spec, _rules = spec_of(module)
    documented = documentation[f"{COLLECTION}.{module}"]["doc"]["options"]
    assert from_documentation(documented) == from_spec(spec)


@pytest.mark.parametrize("module", MODULES)
def test_every_option_is_described(documentation: dict[str, Any], module: str) -> None:
    def undescribed(options: Options, where: str) -> Iterator[str]:
        for name, option in options.items():
            if not "".join(option.get("description") or ""):
                yield f"{where}{name}"
            yield from undescribed(option.get("suboptions") or {}, f"{where}{name}.")

    doc = documentation[f"{COLLECTION}.{module}"]["doc"]
    assert list(undescribed(doc["options"], "")) == []
    assert doc["short_description"]
    assert not doc["short_description"].endswith(".")


@pytest.mark.parametrize("module", MODULES)
def test_no_default_and_no_example_holds_a_secret(documentation: dict[str, Any], module: str) -> None:
    spec, _rules = spec_of(module)
    assert [name for name, option in spec.items() if option.get("no_log") and option.get("default")] == []
    looks_secret = [name for name in spec if re.search(r"password|secret", name)]
    assert [name for name in looks_secret if not spec[name].get("no_log")] == []


@pytest.mark.parametrize("module", MODULES)
def test_what_is_returned_is_documented(documentation: dict[str, Any], module: str) -> None:
    returned = documentation[f"{COLLECTION}.{module}"]["return"]
    assert returned
    for name, value in returned.items():
        assert value["description"], name
        assert value["returned"], name
        assert value["type"], name
    planner = planner_of(module)
    assert ("plan" in returned) == (planner is not None and not planner.reads_only)


@pytest.mark.parametrize("module", MODULES)
def test_attributes_tell_what_it_supports(documentation: dict[str, Any], module: str) -> None:
    attributes = documentation[f"{COLLECTION}.{module}"]["doc"]["attributes"]
    assert attributes["check_mode"]["support"] == "full"
    assert attributes["action_group"]["membership"] == [f"{COLLECTION}.proxmox"]
    assert attributes["async"]["support"] == "none"
    assert attributes["idempotent"]["support"] in ("full", "partial")


def example_tasks(module: str, documentation: dict[str, Any]) -> list[dict[str, Any]]:
    """The tasks of EXAMPLES, also where they stand in a play."""
    entries = yaml.safe_load(documentation[f"{COLLECTION}.{module}"]["examples"])
    return [task for entry in entries for task in (entry["tasks"] if "hosts" in entry else [entry])]


@pytest.mark.parametrize("module", MODULES)
def test_examples_are_named_and_valid(documentation: dict[str, Any], module: str) -> None:
    tasks = example_tasks(module, documentation)
    used = []
    for task in tasks:
        assert task["name"][0].isupper()
        (action,) = (key for key in task if "." in key)
        assert action.startswith(f"{COLLECTION}."), "examples name modules in full"
        used.append(action.removeprefix(f"{COLLECTION}."))
        spec, rules = spec_of(used[-1])
        options = {name: value for name, value in (task[action] or {}).items() if not TEMPLATED.search(str(value))}
        assert ArgumentSpecValidator(spec, **rules).validate(options).error_messages == [], task["name"]
    assert module in used


def test_every_module_is_in_the_action_group() -> None:
    groups = yaml.safe_load((PLUGINS.parent / "meta" / "runtime.yml").read_text(encoding="utf-8"))["action_groups"]
    assert groups["proxmox"] == MODULES
