# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One lab for all tests of a process; each test begins with the table's seed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contract.harness import Site
from tests.contract.scenarios import SEED
from tests.lab import Lab


@pytest.fixture(scope="session")
def shared_site() -> Iterator[Site]:
    with Lab() as lab:
        yield Site(lab)


@pytest.fixture
def site(shared_site: Site) -> Site:
    shared_site.reset(SEED)
    return shared_site


@pytest.fixture
def empty_site(shared_site: Site) -> Site:
    shared_site.reset()
    return shared_site
