# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The callback keeps every failure of its own inside, and turns it into an exit status where a file was asked for."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.callback import plan as callback
from ansible_collections.steward.proxmox.plugins.module_utils._errors import BadInput

from .samples import create, record

STATS = SimpleNamespace(failures={}, dark={})


class Screen:
    """Stands in for ansible's display."""

    columns = 100

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.errors: list[str] = []

    def banner(self, text: str) -> None:
        self.lines.append(text)

    def display(self, text: str, color: str | None = None) -> None:
        self.lines.append(text)

    def error(self, text: str) -> None:
        self.errors.append(text)


@pytest.fixture
def plugin(monkeypatch: pytest.MonkeyPatch) -> Any:
    made = callback.CallbackModule()
    made.options = dict.fromkeys(("json", "markdown"))
    made._display = Screen()
    monkeypatch.setattr(made, "get_option", lambda name: made.options[name])
    monkeypatch.setattr(callback.origin.context, "CLIARGS", {"check": True})
    monkeypatch.setattr(callback._run_state, "plans", lambda: [record(create())])
    return made


def test_it_shows_the_plans(plugin: Any) -> None:
    plugin.v2_playbook_on_stats(STATS)
    assert plugin._display.lines[:3] == ["STEWARD PLAN", "one / Task", "  + create lxc/9001 web on pve1"]
    assert not plugin._display.errors


@pytest.mark.parametrize("broken", ["plans", "render"])
def test_a_failure_without_files_is_an_error_line(plugin: Any, monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    break_it(monkeypatch, broken)
    plugin.v2_playbook_on_stats(STATS)
    assert plugin._display.errors == ["steward.proxmox plan: the plans could not be shown or written: KeyError: 'gone'"]


@pytest.mark.parametrize("broken", ["plans", "render"])
def test_a_failure_with_files_fails_the_run(
    plugin: Any, monkeypatch: pytest.MonkeyPatch, broken: str, tmp_path: Path
) -> None:
    break_it(monkeypatch, broken)
    plugin.options["json"] = str(tmp_path / "plan.json")
    with pytest.raises(SystemExit) as stopped:
        plugin.v2_playbook_on_stats(STATS)
    assert stopped.value.code == 74
    assert "KeyError: 'gone'" in plugin._display.errors[0]


def test_a_report_does_not_replace_the_plan_that_is_carried_out(plugin: Any, tmp_path: Path) -> None:
    (tmp_path / "link.json").symlink_to(tmp_path / "plan.json")
    plugin.options["json"] = str(tmp_path / "link.json")
    with pytest.raises(BadInput, match="would be replaced by the report of this run"):
        plugin._load(tmp_path / "plan.json")


def break_it(monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    def broken(*_arguments: object) -> None:
        raise KeyError("gone")

    monkeypatch.setattr(callback._run_state if what == "plans" else callback.terminal, what, broken)
