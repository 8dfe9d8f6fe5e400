# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What people see on a terminal."""

import unicodedata
from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.plugin_utils._plan_report.report import Report
from ansible_collections.steward.proxmox.plugins.plugin_utils._plan_report.terminal import Line, render

from .samples import HOSTILE, create, destroy, plan, record, step, update


def lines(*records: dict[str, Any], columns: int = 100, failed: tuple[str, ...] = ()) -> list[Line]:
    return render(Report.of(records, failed), columns)


def texts(*records: dict[str, Any], columns: int = 100, failed: tuple[str, ...] = ()) -> list[str]:
    """The lines of the plans, without the digest and the totals."""
    return [line.text for line in lines(*records, columns=columns, failed=failed)][:-2]


NET = {"before": {"net0": "name=eth0,ip=dhcp"}, "after": {"net0": "name=eth0,ip=10.0.0.5/24"}}
LACKING = {"path": "/vms/9001", "any_of": ["VM.Allocate"], "or_path": "/pool/web", "held": False}
UNKNOWN = {"path": "/storage/x", "any_of": ["Datastore.Audit", "Datastore.AllocateSpace"], "held": "unknown"}


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (
            record(create(summary="create, start lxc/9001 golden-docker on pve1")),
            [
                "one / Task",
                "  + create lxc/9001 golden-docker on pve1",
                "      cores: 2",
                "      net0: name=eth0,bridge=vmbr0",
                "      power: running",
                "  > start lxc/9001 golden-docker on pve1",
                "    touches guest lxc/200; node pve1",
            ],
        ),
        (
            record(update({"cores": 2, **NET["before"]}, {"cores": 3, **NET["after"]})),
            [
                "one / Task",
                "  ~ update lxc/200 web on pve1",
                "      cores: 2 -> 3",
                "      net0.ip: dhcp -> 10.0.0.5/24",
                "    touches guest lxc/200; node pve1",
            ],
        ),
        (
            record(destroy()),
            [
                "one / Task",
                "  - destroy lxc/200 web on pve1",
                "      name: web",
                "    risk high: destroys lxc/200 with 1 volume(s)",
                "    touches guest lxc/200; node pve1",
                "    cannot be undone: its volumes are gone",
            ],
        ),
        (
            record(plan(step("start", path="/nodes/pve1/lxc/200/status/start"), blast_radius={"complete": True})),
            ["one / Task", "  > start lxc/200 web on pve1"],
        ),
        (
            record(plan(step("update", data={"password": "********"})), no_log=True),
            [
                "one / Task (no_log)",
                "  ~ update lxc/200 web on pve1",
                "    its values are hidden by no_log",
                "    touches guest lxc/200; node pve1",
            ],
        ),
        (
            record(plan(step("start"), privileges=[LACKING, UNKNOWN], blast_radius={"complete": True})),
            [
                "one / Task",
                "  > start lxc/200 web on pve1",
                "    missing privilege: VM.Allocate on /vms/9001 or /pool/web",
                "    not known whether held: Datastore.Audit or Datastore.AllocateSpace on /storage/x",
            ],
        ),
        (
            record(
                plan(
                    step("start"),
                    risk={"level": "high", "reasons": ["could not be seen: /pools"]},
                    blast_radius={"complete": False, "storages": ["a", "b"], "others": ["snapshot lxc/200@x"]},
                )
            ),
            [
                "one / Task",
                "  > start lxc/200 web on pve1",
                "    risk high: could not see /pools",
                "    touches 2 storages a, b; snapshot lxc/200@x",
                "    INCOMPLETE: could not see /pools",
            ],
        ),
        (
            record(plan(step("update", status="done"), blast_radius={"complete": True}), check_mode=False),
            ["one / Task (not only planned: carried out)", "  ~ update lxc/200 web on pve1 (done)"],
        ),
    ],
)
def test_one_plan(shown: dict[str, Any], expected: list[str]) -> None:
    assert texts(shown) == expected


def test_the_last_line_says_it_all() -> None:
    digest, total = lines(record(create(privileges=[LACKING, UNKNOWN])), record(destroy()))[-2:]
    assert digest.text.startswith("Digest of all plans: sha256:")
    assert total == (
        "Plan: 1 to create, 0 to change, 1 to destroy, 1 other operation;"
        " highest risk: high, missing privileges: 1 (1 not known)",
        "total",
    )


def test_nothing() -> None:
    assert lines() == [("Plan: nothing to change", "total")]


def test_failed_hosts_are_loud() -> None:
    assert lines(failed=("two",)) == [
        ("INCOMPLETE: failed: two; what later tasks there would do is not known", "alarm"),
        ("Plan: nothing to change as far as it could be planned", "total"),
    ]


def test_parts_tell_the_colours() -> None:
    risky = create(privileges=[LACKING, UNKNOWN], risk={"level": "medium", "reasons": ["why"]})
    parts = [line.part for line in lines(record(risky), record(destroy()), record(update({"a": 1}, {"a": 2})))]
    assert parts == [
        *("title", "create", "detail", "detail", "detail", "other", "warning", "detail", "alarm", "warning"),
        *("title", "destroy", "detail", "alarm", "detail", "warning"),
        *("title", "change", "detail", "detail"),
        *("detail", "total"),
    ]


def hostile() -> dict[str, Any]:
    steps = [step(HOSTILE, HOSTILE, f"/nodes/{HOSTILE}/lxc"), step("update", HOSTILE, status=HOSTILE)]
    bad = plan(
        *steps,
        summary=HOSTILE,
        digest=HOSTILE,
        before={HOSTILE: HOSTILE, "long": "a" * 500},
        after={HOSTILE: f"{HOSTILE}x", "long": "b" * 5_000_000},
        blast_radius={"guests": [HOSTILE] * 300, "others": [HOSTILE * 100], "complete": False},
        risk={"level": "high", "reasons": [HOSTILE, f"could not be seen: {HOSTILE}"]},
        privileges=[
            {"path": HOSTILE, "any_of": [HOSTILE], "or_path": HOSTILE, "held": held} for held in (False, "unknown")
        ],
        undo={"possible": False, "why": HOSTILE},
    )
    return record(bad, HOSTILE, HOSTILE, check_mode=False)


def test_hostile_text_stays_text() -> None:
    shown = lines(hostile(), failed=(HOSTILE,))
    assert len(shown) < 70
    for line in shown:
        assert len(line.text) <= 500
        assert not [char for char in line.text if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp")]
    assert r"\x1b[31m\r\n##" in "\n".join(line.text for line in shown)


@pytest.mark.parametrize("columns", [0, 72, 79, 200])
def test_widths(columns: int) -> None:
    """Details get no wider than the terminal: a long list is cut, a privilege never."""
    privileges = [{"path": f"/storage/{'s' * 30}", "any_of": [f"Some.Privilege{n}" for n in range(6)], "held": False}]
    radius = {"guests": [f"lxc/{vmid}" for vmid in range(300)], "complete": True}
    shown = texts(
        record(
            update({"description": "a" * 400}, {"description": "b" * 400}, privileges=privileges, blast_radius=radius)
        ),
        columns=columns,
    )
    assert max(map(len, shown)) <= max(columns, 72)
    flat = " ".join(" ".join(shown).split())
    assert "and 294 more" in flat
    assert all(f"Some.Privilege{n}" in flat for n in range(6))


def test_a_long_value_is_shown_where_it_differs() -> None:
    shown = texts(record(update({"notes": "same " * 100 + "old"}, {"notes": "same " * 100 + "new"})))
    assert shown[2] == "      notes: ...me same old -> ...me same new"
