# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One lab for the tests that make guests; each begins with the same seed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contract.harness import Site
from tests.lab import Lab
from tests.unit.engine.births import SEED, Births


@pytest.fixture(scope="session")
def birth_site() -> Iterator[Site]:
    with Lab() as lab:
        yield Site(lab)


@pytest.fixture
def births(birth_site: Site) -> Births:
    birth_site.reset(SEED)
    return Births(birth_site)
