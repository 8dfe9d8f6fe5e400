# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The table of operations: what asks for approval."""

from __future__ import annotations

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._operations import OPERATIONS, destroys, sign

DESTRUCTIVE = {
    "delete",
    "delsnapshot",
    "destroy",
    "destroy disk",
    "destroy volume",
    "overwrite",
    "post",
    "put",
    "reset",
    "rollback",
    "stop",
    "template",
}


def test_what_destroys() -> None:
    assert {op for op in OPERATIONS if destroys(op)} == DESTRUCTIVE


@pytest.mark.parametrize("op", ["an operation of tomorrow", ""])
def test_what_is_not_in_the_table_is_not_trusted(op: str) -> None:
    assert destroys(op)
    assert sign(op) == ">"
