# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Guards that the tests import this tree and not another copy of the collection, and gives them time."""

from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parents[1]
COLLECTION = "ansible_collections.steward.proxmox"

# how long an example takes tells of the machine, not of the code; the rest is as hypothesis has it here or in CI
settings.register_profile("patient", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


def pytest_configure() -> None:
    spec = find_spec(COLLECTION)
    found = {Path(place).resolve() for place in spec.submodule_search_locations or ()} if spec else set()
    if found != {ROOT}:
        pytest.exit(f"{COLLECTION} is {found or 'not importable'}, expected {ROOT}: run `make venv`", returncode=3)
