# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Points in time as people write them."""

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils import _moments as moments
from ansible_collections.steward.proxmox.plugins.module_utils._errors import BadInput


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("2024", "2024-01-01T00:00:00Z", "2024-12-31T23:59:59Z"),
        ("2024-02", "2024-02-01T00:00:00Z", "2024-02-29T23:59:59Z"),
        ("2026-12", "2026-12-01T00:00:00Z", "2026-12-31T23:59:59Z"),
        ("2026-11-21", "2026-11-21T00:00:00Z", "2026-11-21T23:59:59Z"),
        ("2026-11-21T10", "2026-11-21T10:00:00Z", "2026-11-21T10:59:59Z"),
        ("2026-11-21T10:05Z", "2026-11-21T10:05:00Z", "2026-11-21T10:05:59Z"),
        ("2026-11-21 10:05:07+00:00", "2026-11-21T10:05:07Z", "2026-11-21T10:05:07Z"),
    ],
)
def test_what_is_written_has_a_beginning_and_an_end(text: str, first: str, last: str) -> None:
    assert moments.shown(moments.first("since", text)) == first
    assert moments.shown(moments.last("until", text)) == last


@pytest.mark.parametrize(
    "text", ["", "yesterday", "26-11-21", "9999", "2026-13", "2026-13-01", "2026-02-30", "2026-11-21T25"]
)
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(BadInput, match=r"^since: .* is not a time in UTC"):
        moments.first("since", text)


def test_the_time_of_a_record() -> None:
    assert moments.seconds("2026-11-21T10:05:07.500000Z") == moments.first("since", "2026-11-21T10:05:07") + 0.5
