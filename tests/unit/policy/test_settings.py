# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the controller says: variables, ansible.cfg and module_defaults, of which each can only tighten."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible import constants
from ansible_collections.steward.proxmox.plugins.module_utils._errors import BadInput
from ansible_collections.steward.proxmox.plugins.module_utils._limits import LIMITS, Limit
from ansible_collections.steward.proxmox.plugins.module_utils._policy import Policy
from ansible_collections.steward.proxmox.plugins.plugin_utils._gate import settings


def policy(task: dict[str, Any] | None = None, *defaults: dict[str, Any]) -> Policy:
    return settings.policy_of(task or {}, defaults)


@pytest.fixture
def configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An ansible.cfg, to be written."""
    path = tmp_path / "ansible.cfg"
    monkeypatch.setattr(constants, "CONFIG_FILE", str(path))
    return path


def test_without_anything_there_is_no_policy() -> None:
    assert policy() == Policy()
    assert settings.plan_file() is None
    assert settings.approvals_directory() == Path.home() / ".local/share/steward-proxmox/approvals"


# -- variables --------------------------------------------------------------------------------------------------------

SAID: list[tuple[str, str, str, Any]] = [
    ("STEWARD_APPROVAL", "all", "approval", "all"),
    ("STEWARD_MAX_RISK", "low", "max_risk", "low"),
    ("STEWARD_SNAPSHOT_BEFORE", "risky", "snapshot_before", "risky"),
    ("STEWARD_PLAN_REQUIRED", "yes", "plan", "required"),
    ("STEWARD_PLAN_REQUIRED", "ture", "plan", "required"),
    ("STEWARD_PLAN_REQUIRED", "no", "plan", "optional"),
    ("STEWARD_ACTORS", "os:alice, env:ci,", "actors", ("os:alice", "env:ci")),
]


@pytest.mark.parametrize(("variable", "text", "name", "value"), SAID)
def test_a_variable_stands_alone(
    variable: str, text: str, name: str, value: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, text)
    found = policy()
    assert (getattr(found, name), found.origins) == (value, {name: variable})


def test_variables_open_guests_one_way_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEWARD_EXEC_PCT", "101, 200-299")
    assert policy().exec == {"pct": ((101, 101), (200, 299))}
    monkeypatch.setenv("STEWARD_EXEC_QGA", "*")
    assert policy().exec == {"pct": ((101, 101), (200, 299)), "qga": ((100, 999999999),)}
    (tmp_path / "policy.yml").write_text("version: 1\nexec: {pct: [250-300]}\n")
    monkeypatch.setenv("STEWARD_POLICY", str(tmp_path / "policy.yml"))
    assert policy().exec == {"pct": ((250, 299),), "qga": ()}  # a variable opens nothing that the file left out


def test_variables_protect_and_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEWARD_PROTECT_VMIDS", "100,200-299")
    monkeypatch.setenv("STEWARD_PROTECT_NAMES", "db*")
    monkeypatch.setenv("PROXMOX_MAX_RAM_MB", "4096")
    found = policy({"STEWARD_PROTECT_NODES": "pve1"})
    assert [str(rule) for rule in found.protect] == [
        "id 100 (STEWARD_PROTECT_VMIDS)",
        "id 200-299 (STEWARD_PROTECT_VMIDS)",
        "name 'db*' (STEWARD_PROTECT_NAMES)",
        "node 'pve1' (STEWARD_PROTECT_NODES)",
    ]
    assert found.limits.max_ram_mb == Limit(4096, "PROXMOX_MAX_RAM_MB")
    assert found.approval == "none"


WRONG = [
    ("STEWARD_APPROVAL", "maybe", "STEWARD_APPROVAL: 'maybe' is not one of none, destructive, all"),
    ("STEWARD_MAX_RISK", "none", "STEWARD_MAX_RISK: 'none' is not one of"),
    ("STEWARD_PROTECT_VMIDS", "web", "STEWARD_PROTECT_VMIDS: 'web' is neither a guest id nor a range"),
    ("STEWARD_ACTORS", "alice", "STEWARD_ACTORS: 'alice' is not one of os:NAME"),
    ("STEWARD_ACTORS", "awx_team:ops", "STEWARD_ACTORS: actors.teams does not say who is in the team 'ops'"),
    ("PROXMOX_MAX_CPU", "eight", "PROXMOX_MAX_CPU: 'eight' is not a whole number"),
    ("PROXMOX_MAX_VMS", "1.5", "PROXMOX_MAX_VMS: '1.5' is not a whole number"),
    ("STEWARD_POLICY", "gaurded", "STEWARD_POLICY: the policy /.*gaurded cannot be read: No such file"),
]


@pytest.mark.parametrize(("variable", "text", "told"), WRONG)
def test_a_wrong_value_is_an_error_wherever_it_stands(
    variable: str, text: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(BadInput, match=told):
        policy({variable: text})
    monkeypatch.setenv(variable, text)
    with pytest.raises(BadInput, match=told):
        policy({variable: ""})


def test_the_built_in_policy_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEWARD_POLICY", "guarded")
    found = policy()
    assert (found.approval, found.origins["approval"]) == ("destructive", "STEWARD_POLICY=guarded")
    assert [getattr(found.limits, name).most for name in LIMITS] == [16, 32768, 500, 50]


def test_a_policy_file_by_its_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "policy.yml").write_text("version: 1\nmax_risk: low\n")
    monkeypatch.chdir(tmp_path)
    for text in ("policy.yml", "./policy.yml", str(tmp_path / "policy.yml"), "$HERE/policy.yml"):
        monkeypatch.setenv("HERE", str(tmp_path))
        monkeypatch.setenv("STEWARD_POLICY", text)
        assert policy().origins["max_risk"] == f"max_risk in {tmp_path}/policy.yml"


# -- ansible.cfg ------------------------------------------------------------------------------------------------------


def test_ansible_cfg_names_what_lies_beside_it(configured: Path, tmp_path: Path) -> None:
    configured.write_text("[steward]\npolicy = p.yml ; ours\nplan = ~/plan.json\napprovals = /var/lib/approvals\n")
    (tmp_path / "p.yml").write_text("version: 1\nmax_risk: low\n")
    assert policy().max_risk == "low"
    assert settings.plan_file() == Path.home() / "plan.json"
    assert settings.approvals_directory() == Path("/var/lib/approvals")
    (tmp_path / "p.yml").unlink()
    with pytest.raises(BadInput, match=f"policy in {configured}: the policy {tmp_path}/p.yml cannot be read"):
        policy()


def test_variables_say_where_plan_and_approvals_are_before_ansible_cfg(
    configured: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configured.write_text("[steward]\nplan = /a.json\napprovals = /a\n")
    monkeypatch.setenv("STEWARD_PLAN", "/b.json")
    monkeypatch.setenv("STEWARD_APPROVALS", "/b")
    assert (settings.plan_file(), settings.approvals_directory()) == (Path("/b.json"), Path("/b"))


# -- together ---------------------------------------------------------------------------------------------------------


def test_every_place_tightens_and_none_loosens(
    configured: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configured.write_text("[steward]\npolicy = guarded\n")
    (tmp_path / "loose.yml").write_text("version: 1\napproval: none\nlimits: {max_cpu: 999}\nvalid_for: 30d\n")
    monkeypatch.setenv("PROXMOX_MAX_RAM_MB", "8192")
    found = policy(
        {
            "STEWARD_POLICY": str(tmp_path / "loose.yml"),
            "STEWARD_APPROVAL": "none",
            "STEWARD_PLAN_REQUIRED": "false",
            "PROXMOX_MAX_RAM_MB": 99999,
            "PROXMOX_MAX_DISK_GB": "100",
        },
        {"approval": "none", "limits": {"max_cpu": "8", "max_ram_mb": 99999}, "api_host": "pve1"},
        {"max_risk": "medium"},
        {},
    )
    assert (found.approval, found.origins["approval"]) == ("destructive", f"policy in {configured}=guarded")
    assert found.valid_for == 8 * 3600
    assert (found.max_risk, found.origins["max_risk"]) == ("medium", "max_risk of module_defaults")
    assert found.limits.max_cpu == Limit(8, "limits.max_cpu of module_defaults")
    assert found.limits.max_ram_mb == Limit(8192, "PROXMOX_MAX_RAM_MB")
    assert found.limits.max_disk_gb == Limit(100, "PROXMOX_MAX_DISK_GB")


def test_module_defaults_are_read_as_a_task_is() -> None:
    found = policy({}, {"protect": {"vmids": "100,101", "names": ["db*"]}})
    assert [rule.value for rule in found.protect] == ["100", "101", "db*"]
    assert found.protect[0].origin == "protect.vmids of module_defaults"


@pytest.mark.parametrize(
    ("defaults", "told"),
    [
        ({"max_risk": "none"}, "module_defaults: value of max_risk must be one of: low, medium, high, got: none"),
        ({"limits": {"max_cpu": "many"}}, "module_defaults: .*max_cpu"),
        ({"limits": {"max_cups": 1}}, "module_defaults: .*max_cups"),
        ({"protect": {"vmids": ["web"]}}, "protect.vmids of module_defaults: 'web' is neither"),
        ({"snapshot_before": "perhaps"}, "snapshot_before of module_defaults: 'perhaps' is not one of"),
    ],
)
def test_wrong_module_defaults_are_an_error(defaults: dict[str, Any], told: str) -> None:
    with pytest.raises(BadInput, match=told):
        policy({}, defaults)
