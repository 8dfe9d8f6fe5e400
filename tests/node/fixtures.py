# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fixtures: import those that you use in a conftest.py. They are made once for each process that runs tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .node import Container, Node, missing
from .pct import PYTHON

__all__ = ["container", "node", "python_container"]


@pytest.fixture(scope="session")
def node() -> Iterator[Node]:
    lacking = missing()
    if lacking:
        pytest.skip(lacking)
    with Node() as made:
        yield made


@pytest.fixture(scope="session")
def container(node: Node) -> Container:
    """101, running, with busybox."""
    return node.create(101)


@pytest.fixture(scope="session")
def python_container(node: Node) -> Container:
    """102, running, with the machine's own programs: python3, sudo, su."""
    return node.create(102, PYTHON)
