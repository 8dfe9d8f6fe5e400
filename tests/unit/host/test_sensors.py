# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The planner of sensors: what is there, what is alarming, and what could not be read."""

from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._engine import Work
from ansible_collections.steward.proxmox.plugins.module_utils._memory import Memory
from ansible_collections.steward.proxmox.plugins.module_utils._privileged_host.planner import PRIVILEGED_HOST

COMPOSITE = {
    "temp1_input": 49.85,
    "temp1_max": 69.85,
    "temp1_min": -273.15,
    "temp1_crit": 99.85,
    "temp1_alarm": 0.0,
}
CHIPS = {
    "nvme-pci-0008": {"Adapter": "PCI adapter", "Composite": COMPOSITE},
    "acpitz-acpi-0": {"Adapter": "ACPI interface", "temp1": {"temp1_input": 27.8}},
}


class Sensors:
    def __init__(self, chips: dict[str, Any], *complaints: str) -> None:
        self.answer = {"chips": chips, "complaints": [*complaints]}
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def get(self, path: str, /, **params: Any) -> Any:
        self.asked.append((path, params))
        return self.answer

    def send(self, *_sent: Any) -> None:
        raise AssertionError


def sensors(host: Sensors, *chips: str, check: bool = False) -> dict[str, Any]:
    options = {"sensors": {"chips": [*chips] or None}, "node": "pve1", "runner": "sudo", "pct": "/usr/sbin/pct"}
    return Work(PRIVILEGED_HOST, options, Memory(), check, writer=host).result()


def test_all_that_is_well() -> None:
    host = Sensors(CHIPS)
    result = sensors(host)
    assert result["sensors"] == {"chips": CHIPS, "alarms": [], "unread": []}
    assert "warnings" not in result
    assert host.asked == [("sensors", {})]


def test_it_never_changes_anything_and_is_the_same_in_check_mode() -> None:
    check, real = (sensors(Sensors(CHIPS), check=check) for check in (True, False))
    assert check == real
    assert (real["changed"], real["plan"]["steps"]) == (False, [])


def test_a_host_without_sensors_has_none() -> None:
    assert sensors(Sensors({}))["sensors"] == {"chips": {}, "alarms": [], "unread": []}


@pytest.mark.parametrize(
    ("values", "alarm"),
    [
        ({**COMPOSITE, "temp1_alarm": 1.0}, {"what": "temp1_alarm", "value": 49.85}),
        ({**COMPOSITE, "temp1_input": 99.85}, {"what": "temp1_crit", "value": 99.85, "limit": 99.85}),
        ({"temp2_input": 80, "temp2_emergency": 79.0}, {"what": "temp2_emergency", "value": 80, "limit": 79.0}),
        ({"temp1_input": 50.0, "temp1_crit_alarm": 1.0}, {"what": "temp1_crit_alarm", "value": 50.0}),
        ({"fan1_input": 0.0, "fan1_fault": 1.0}, {"what": "fan1_fault", "value": 0.0}),
        ({"intrusion0_alarm": 1.0}, {"what": "intrusion0_alarm", "value": None}),
    ],
)
def test_what_is_alarming(values: dict[str, float], alarm: dict[str, Any]) -> None:
    result = sensors(Sensors({"chip-1": {"Adapter": "x", "one": values}}))["sensors"]
    assert result["alarms"] == [{"sensor": "chip-1 one", **alarm}]


@pytest.mark.parametrize(
    "values",
    [
        {"temp1_input": 50.0, "temp1_crit": 0.0},
        {"temp1_input": 50.0, "temp1_max": 40.0},
        {"temp1_input": 50.0, "temp1_crit": 65261.85},
        {"temp1_input": 50.0, "temp1_crit_hyst": 10.0},
        {"in0_input": 1.2, "temp1_crit": 1.0},
        {"in0_input": 1.2, "in0_beep": 1.0},
    ],
)
def test_what_is_not_alarming(values: dict[str, float]) -> None:
    assert sensors(Sensors({"chip-1": {"one": values}}))["sensors"]["alarms"] == []


@pytest.mark.parametrize("values", [{}, {"temp1_input": None, "temp1_crit": 90.0}])
def test_what_gives_no_value_is_not_taken_for_well(values: dict[str, Any]) -> None:
    complaint = "ERROR: Can't get value of subfeature temp1_input: Can't read"
    result = sensors(Sensors({"chip-1": {"Adapter": "x", "temp1": values}}, complaint))
    assert result["sensors"]["unread"] == ["chip-1 temp1: no value"]
    assert result["warnings"] == [f"sensors: {complaint}"]


def test_chips_by_name() -> None:
    result = sensors(Sensors(CHIPS), "acpitz-acpi-0", "coretemp-isa-0000")["sensors"]
    assert list(result["chips"]) == ["acpitz-acpi-0"]
    assert result["unread"] == ["coretemp-isa-0000: there is no such chip on pve1"]
