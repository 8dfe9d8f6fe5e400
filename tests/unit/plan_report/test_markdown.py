# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The comment for a merge request, read as a Markdown program would."""

import html
import re
import unicodedata

from ansible_collections.steward.proxmox.plugins.plugin_utils._plan_report.markdown import ROOM, code, render
from ansible_collections.steward.proxmox.plugins.plugin_utils._plan_report.report import Report

from .samples import HOSTILE, create, destroy, plan, record, step, update
from .test_terminal import LACKING, UNKNOWN, hostile

OUR_TAGS = {"<code>", "</code>", "<br>", "<details>", "</details>", "<summary>", "</summary>"}


def test_document() -> None:
    changed = update({"net0": "ip=dhcp"}, {"net0": "ip=10.0.0.5/24"}, privileges=[LACKING, UNKNOWN])
    shown = render(Report.of([record(create()), record(changed), record(destroy(), no_log=True)]))
    text = html.unescape(shown)
    assert shown.startswith("### Plan: 1 to create, 1 to change, 1 to destroy, 1 other operation\n")
    assert "Highest risk: **high**. Missing privileges: 1 (1 not known)." in shown
    assert "<code>~ update lxc/200 web on pve1</code>" in text
    assert "- <code>net0.ip</code>: <code>dhcp</code> → <code>10.0.0.5/24</code>" in shown
    assert "- **Missing privilege**: <code>VM.Allocate on /vms/9001 or /pool/web</code>" in shown
    assert "- Not known whether held: <code>Datastore.Audit or Datastore.AllocateSpace on /storage/x</code>" in shown
    assert "- Cannot be undone: <code>its volumes are gone</code>" in shown
    assert "| no_log, cannot be undone |" in shown
    assert shown.count("<details>") == shown.count("</details>") == 3
    assert len([line for line in shown.splitlines() if line.startswith("| <code>")]) == 3


def test_nothing() -> None:
    assert render(Report.of([])).strip() == "### Plan: nothing to change"


def test_outcome_of_a_real_run() -> None:
    failed = plan(step("update", status="failed", error="storage is full"))
    shown = render(Report.of([record(failed, check_mode=False)], check_mode=False))
    assert "| <code>failed</code> |" in shown
    assert "**<code>update</code> failed**: <code>storage is full</code>" in shown


def test_code_is_inert() -> None:
    shown = code(HOSTILE)
    inner = shown.removeprefix("<code>").removesuffix("</code>")
    assert not re.search(r"[<>`*_|@\[\]~!\\\"'{}$^]", inner)
    assert not re.search(r"&(?!#\d+;)", inner)
    assert not re.search(r"(?<!&)#", inner)
    assert r"\x1b[31m\r\n## | `code` </code><script>" in html.unescape(inner)


def test_hostile_text_stays_text() -> None:
    shown = render(Report.of([hostile()], failed=[HOSTILE]))
    assert set(re.findall(r"<[^>]*>", shown)) <= OUR_TAGS
    assert len([line for line in shown.splitlines() if line.startswith("#")]) == 1
    assert not [char for char in shown if unicodedata.category(char) in ("Cc", "Cf", "Cs") and char != "\n"]
    rows = [line for line in shown.splitlines() if line.startswith("|")]
    assert [line.count("|") for line in rows] == [5, 5, 5]


def test_it_fits_into_a_comment_and_says_what_it_left_out() -> None:
    shown = render(Report.of([record(create(), f"host{number}") for number in range(2000)]))
    assert len(shown) < 65_536
    assert len(shown) > ROOM / 2
    assert "2000 plans without details here" in shown


def test_each_row_is_one_line() -> None:
    shown = render(Report.of([record(create(), HOSTILE, HOSTILE)]))
    assert len([line for line in shown.splitlines() if line.startswith("|")]) == 3
