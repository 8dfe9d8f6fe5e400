# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""sudo's refusals, told from the failures of the command that it ran."""

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._host.sudo import is_not_found, is_refusal

NO_HOST = "sudo: unable to resolve host pve1: Name or service not known\n"

# as sudo 1.9.13 and 1.9.16 say it
REFUSALS = [
    "sudo: a password is required\n",
    "sudo: a terminal is required to read the password; either use the -S option to read from standard input or "
    "configure an askpass helper\nsudo: a password is required\n",
    "Sorry, user phroot is not allowed to execute '/usr/bin/id' as root on vm.\n",
    "phnosudo is not in the sudoers file.\n",
    "sudo: pct: command not found\n",
    f"{NO_HOST}sudo: a password is required\n",
]


@pytest.mark.parametrize("text", REFUSALS)
def test_sudo_said_no(text: str) -> None:
    assert is_refusal(1, "", text)


@pytest.mark.parametrize(
    ("status", "stdout", "stderr"),
    [
        (2, "", "Configuration file 'nodes/pve1/lxc/999.conf' does not exist\n"),
        (2, "", f"{NO_HOST}Configuration file 'nodes/pve1/lxc/999.conf' does not exist\n"),
        (1, "", f"{NO_HOST}storage 'nostor' does not exist\n"),
        (1, "", ""),
        (255, "", "storage 'nostor' does not exist\n"),
        (255, "", "sudo: a password is required\n"),
        (1, "Formatting '/var/lib/vz/images/902/vm-902-disk-0.raw'\n", "sudo: a password is required\n"),
        (1, "", "the hook script says sudo: a password is required\n"),
        (0, "", NO_HOST),
    ],
)
def test_the_command_said_it(status: int, stdout: str, stderr: str) -> None:
    assert not is_refusal(status, stdout, stderr)


def test_a_missing_command_is_not_a_missing_right() -> None:
    assert is_not_found("sudo: /usr/sbin/pct: command not found\n")
    assert not any(is_not_found(text) for text in REFUSALS if "command not found" not in text)
