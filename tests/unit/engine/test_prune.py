# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which backups the keep rules keep: a table by hand, and the lab's dry run of `prunebackups` as a second opinion."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._connection import resolve
from ansible_collections.steward.proxmox.plugins.module_utils._errors import BadInput
from ansible_collections.steward.proxmox.plugins.module_utils._prune import RULES, kept, parse_age
from ansible_collections.steward.proxmox.plugins.module_utils._session import Session
from hypothesis import given
from hypothesis import strategies as st

from tests.lab import Lab
from tests.lab.state import Volume


def at(text: str, zone: str = "UTC") -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


DAYS = [f"2026-03-{day:02} 02:00" for day in range(1, 11)]

KEPT: list[tuple[list[str], dict[str, int], list[int]]] = [
    (DAYS, {"last": 3}, [7, 8, 9]),
    (DAYS, {"last": 0, "daily": 2}, [8, 9]),
    (DAYS, {"last": 99}, list(range(10))),
    (list(reversed(DAYS)), {"last": 3}, [0, 1, 2]),
    ([], {"last": 3}, []),
    (DAYS, {}, []),
    # a rule keeps the newest of each period
    (["2026-03-01 01:00", "2026-03-01 05:00", "2026-03-02 01:00"], {"daily": 5}, [1, 2]),
    (["2026-03-01 01:10", "2026-03-01 01:50", "2026-03-01 02:00"], {"hourly": 5}, [1, 2]),
    # Sunday and Monday are two weeks; 2026-03-01 is a Sunday
    (["2026-02-23 02:00", "2026-03-01 02:00", "2026-03-02 02:00"], {"weekly": 5}, [1, 2]),
    (["2026-01-15 02:00", "2026-01-31 02:00", "2026-02-01 02:00"], {"monthly": 5}, [1, 2]),
    (["2024-05-01 02:00", "2025-05-01 02:00", "2025-06-01 02:00"], {"yearly": 5}, [0, 2]),
    # the last days of December belong to week 1 of the next year
    (["2025-12-29 02:00", "2026-01-01 02:00"], {"weekly": 5}, [1]),
    # a period that an earlier rule has kept does not count for a later one
    (DAYS, {"last": 2, "daily": 3}, [5, 6, 7, 8, 9]),
    (DAYS, {"daily": 2, "weekly": 2}, [0, 7, 8, 9]),
    # a week over two months keeps one entry: the other was judged with it, so no monthly rule takes it up
    (["2026-01-28 02:00", "2026-02-01 02:00", "2026-02-10 02:00"], {"weekly": 2, "monthly": 2}, [1, 2]),
    (["2026-01-10 02:00", "2026-01-28 02:00", "2026-02-01 02:00"], {"weekly": 1, "monthly": 2}, [0, 2]),
    # two of the same second are one
    (["2026-03-01 01:00", "2026-03-01 01:00", "2026-02-01 01:00"], {"last": 2}, [0, 2]),
]


@pytest.mark.parametrize(("times", "keep", "expected"), KEPT)
def test_kept(times: list[str], keep: dict[str, int], expected: list[int]) -> None:
    assert sorted(kept([at(text) for text in times], keep, UTC)) == expected


def test_days_are_counted_in_the_zone_of_the_node() -> None:
    times = [at("2026-06-01 21:30"), at("2026-06-01 22:30"), at("2026-06-02 12:00")]
    assert kept(times, {"daily": 9}, UTC) == {1, 2}
    assert kept(times, {"daily": 9}, ZoneInfo("Europe/Berlin")) == {0, 2}


@given(
    st.lists(st.integers(1_600_000_000, 1_800_000_000), unique=True, max_size=30),
    st.dictionaries(st.sampled_from(RULES), st.integers(0, 6)),
)
def test_never_more_than_asked_for_and_always_the_newest(times: list[int], keep: dict[str, int]) -> None:
    found = kept(times, keep, UTC)
    assert len(found) <= sum(keep.values())
    if times and any(keep.values()):
        assert times.index(max(times)) in found


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab() as lab:
        yield lab


@pytest.mark.parametrize("seed", range(40))
def test_the_server_would_keep_the_same(lab: Lab, seed: int) -> None:
    chance = random.Random(seed)
    times = _some_times(chance)
    keep = {rule: chance.randint(1, 5) for rule in RULES if chance.random() < 0.6} or {"last": 2}
    lab.reset()
    lab.state.volumes.clear()
    for number, moment in enumerate(times):
        volid = f"local:backup/vzdump-lxc-100-{number}.tar.zst"
        lab.state.add(Volume(volid, "pve1", "backup", "tar.zst", 1, moment, vmid=100))
    options = {"api_host": [lab.host], "api_port": lab.port, "ca_path": lab.ca_path, **lab.credentials["admin"]}
    rules = ",".join(f"keep-{rule}={count}" for rule, count in keep.items())
    rows = Session(resolve(options)).get("/nodes/pve1/storage/local/prunebackups", **{"prune-backups": rules})
    theirs = {row["ctime"] for row in rows if row["mark"] == "keep"}
    assert len(rows) == len(times)
    assert {times[index] for index in kept(times, keep, UTC)} == theirs


def _some_times(chance: random.Random) -> list[int]:
    """Moments in bursts, so that every period holds several."""
    start = int(at("2026-02-14 12:00"))
    spans = [3600, 86400, 7 * 86400, 31 * 86400, 700 * 86400]
    return sorted({start - chance.randint(0, chance.choice(spans)) for _unused in range(chance.randint(1, 25))})


@pytest.mark.parametrize(
    ("text", "age"),
    [
        ("90s", timedelta(seconds=90)),
        ("5m", timedelta(minutes=5)),
        ("12h", timedelta(hours=12)),
        ("7d", timedelta(days=7)),
        ("2w", timedelta(weeks=2)),
        (" 7 d ", timedelta(days=7)),
    ],
)
def test_parse_age(text: str, age: timedelta) -> None:
    assert parse_age("max_age", text) == age


@pytest.mark.parametrize("text", ["", "7", "d", "-1d", "1.5d", "1y", "7 days"])
def test_what_is_not_an_age(text: str) -> None:
    with pytest.raises(BadInput, match=r"max_age: .* is not an age; write a number with s, m, h, d or w"):
        parse_age("max_age", text)
