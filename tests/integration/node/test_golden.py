# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a golden base is for: programs in a real container may use kernel keyrings, and elsewhere they may not."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._host import sudo

from tests.node.node import Container, Node
from tests.node.pct import PYTHON

# keyctl(KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, create): the id of a key, or why not
ASK = """
import ctypes, platform
number = {"x86_64": 250, "aarch64": 219}[platform.machine()]
system = ctypes.CDLL(None, use_errno=True)
key = system.syscall(number, 0, -3, 1)
print(key, ctypes.get_errno() if key == -1 else 0)
"""


def keyctl(container: Container) -> tuple[int, int]:
    done = container.run("/usr/bin/python3", "-c", ASK)
    assert done.returncode == 0, done.stderr
    key, error = map(int, done.stdout.split())
    return key, error


@pytest.fixture
def golden(node: Node) -> Iterator[Container]:
    node.allow("\n".join(sudo.rules(node.user, str(node.pct))))
    node.forget()
    container = Container(node, 9001)
    yield container
    node.forbid()
    if container.is_running():
        node.root("stop", 9001)
    node.root("destroy", 9001)


def test_keyctl_works_in_a_golden_container_that_sudo_let_it_make(
    node: Node, golden: Container, play: Callable[..., dict[str, Any]]
) -> None:
    told = play("golden.yml", template=PYTHON)
    assert [told[task]["changed"] for task in ("preview", "made", "again")] == [True, True, False]
    assert [call[0] for call in node.calls].count("create") == 1
    assert (told["made"]["config"]["features"], told["made"]["config"]["unprivileged"]) == ("nesting=1,keyctl=1", 1)
    node.root("start", 9001)
    key, error = keyctl(golden)
    assert (key > 0, error) == (True, 0)
    # the same container without the feature: it is the feature that does it
    node.root("stop", 9001)
    node.root("set", 9001, "--features", "nesting=1")
    node.root("start", 9001)
    assert keyctl(golden) == (-1, errno.ENOSYS)


def test_keyctl_does_not_work_in_a_plain_container(node: Node) -> None:
    assert keyctl(node.create(9002, PYTHON)) == (-1, errno.ENOSYS)
