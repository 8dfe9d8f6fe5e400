# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""sensors through the fence: the real one of this machine, and one that says what broken ones say."""

from pathlib import Path

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._errors import ApiError, BadInput
from ansible_collections.steward.proxmox.plugins.module_utils._host.operations import PROGRAMS

from .programs import Programs, read

real = pytest.mark.skipif(not Path(PROGRAMS["sensors"].path).exists(), reason="needs the package lm-sensors")

NONE = (
    "No sensors found!\nMake sure you loaded all the kernel drivers you need.\n"
    "Try sensors-detect to find out which these are.\n"
)
#: sensors 3.6.2
NVME = (
    '{"nvme-pci-0008":{"Adapter":"PCI adapter","Composite":{"temp1_input":49.850000,"temp1_max":69.850000,'
    '"temp1_min":-273.150000,"temp1_crit":99.850000,"temp1_alarm":0.000000}}}'
)
#: sensors 3.6.0, with the only feature of a chip ignored
SPARE_COMMA = '{\n   "lm75-i2c-1-48":{\n      "Adapter": "SMBus stub driver",\n   }\n}\n'
FAILED_READ = '{\n   "lm75-i2c-1-48":{\n      "Adapter": "SMBus stub driver",\n      "temp1":{\n\n      }\n   }\n}\n'
COMPLAINT = "ERROR: Can't get value of subfeature temp1_input: Can't read\n"


@real
@pytest.mark.parametrize("check", [True, False])
def test_the_real_sensors(check: bool) -> None:
    result = read("sensors", {"chips": None}, check=check)
    hwmon = Path("/sys/class/hwmon")
    assert bool(result["sensors"]["chips"]) is (hwmon.exists() and any(hwmon.iterdir()))
    assert result["changed"] is False


@pytest.mark.parametrize("runner", ["direct", "sudo"])
def test_it_needs_no_root(programs: Programs, runner: str) -> None:
    programs.says("sudo", stderr="sudo: a password is required\n", status=1)
    programs.says("sensors", NVME)
    result = read("sensors", {}, runner=runner)
    assert result["sensors"]["chips"]["nvme-pci-0008"]["Composite"]["temp1_input"] == 49.85
    assert programs.calls == ["sensors -j"]


@pytest.mark.parametrize("stdout", ["{\n\n}\n", "{}\n", ""])
def test_no_sensors_are_an_answer(programs: Programs, stdout: str) -> None:
    programs.says("sensors", stdout, NONE, status=1)
    result = read("sensors", {})
    assert result["sensors"] == {"chips": {}, "alarms": [], "unread": []}
    assert "warnings" not in result


@pytest.mark.parametrize(
    ("stdout", "chips"),
    [
        (SPARE_COMMA, {"lm75-i2c-1-48": {"Adapter": "SMBus stub driver"}}),
        ('{"a-1":{"x,}":{"in0_input": 1.0,\n}},}', {"a-1": {"x,}": {"in0_input": 1.0}}}),
        ('{"a-1":{"nan":{"in0_input": nan, "in0_max": -inf}}}', {"a-1": {"nan": {"in0_input": None, "in0_max": None}}}),
        ('{"a-1":{"a \\" nan,}":{}}}', {"a-1": {'a " nan,}': {}}}),
    ],
)
def test_what_is_nearly_json_is_read(programs: Programs, stdout: str, chips: object) -> None:
    programs.says("sensors", stdout)
    assert read("sensors", {})["sensors"]["chips"] == chips


def test_a_failed_read_is_a_warning_and_no_value(programs: Programs) -> None:
    programs.says("sensors", FAILED_READ, COMPLAINT)
    result = read("sensors", {})
    assert result["warnings"] == [f"sensors: {COMPLAINT.strip()}"]
    assert result["sensors"]["unread"] == ["lm75-i2c-1-48 temp1: no value"]


@pytest.mark.parametrize(
    ("stdout", "stderr", "status", "says"),
    [
        ("Segmentation fault", "", 0, "sensors printed what is not JSON"),
        ('{"a-1":{}}{"b-1":{}}', "", 0, "sensors printed what is not JSON: Extra data"),
        ("[]", "", 0, "JSON that is not an object"),
        ("", "Can't access procfs/sysfs file\n", 1, "exit status 1: Can't access procfs/sysfs file"),
        ("{}", "Parse error in chip name `x'\n", 1, "Parse error in chip name"),
        ("x" * 1100000, "", 0, "printed more than 1 MiB"),
    ],
)
def test_what_cannot_be_read_is_a_failure(programs: Programs, stdout: str, stderr: str, status: int, says: str) -> None:
    programs.says("sensors", stdout, stderr, status)
    with pytest.raises(ApiError, match=says):
        read("sensors", {})


def test_a_host_without_the_program_says_what_to_install(programs: Programs) -> None:
    programs.is_at("sensors", "/nowhere/sensors")
    with pytest.raises(BadInput, match=r"/nowhere/sensors is not installed on .*Install the package lm-sensors"):
        read("sensors", {})
