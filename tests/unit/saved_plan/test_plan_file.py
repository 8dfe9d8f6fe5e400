# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A file that is cut off, foreign, newer, forged or open to everybody is refused, and it is said why."""

from __future__ import annotations

import os
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._errors import Refused
from ansible_collections.steward.proxmox.plugins.module_utils._plan import sha256
from ansible_collections.steward.proxmox.plugins.plugin_utils._gate import plan_file

from .conftest import Folder, change, real

Document = dict[str, Any]


def why(path: Path) -> str:
    with pytest.raises(Refused) as found:
        plan_file.read(path)
    return str(found.value)


BROKEN: dict[str, tuple[Callable[[Document], object], str]] = {
    "newer": (lambda plan: plan.update(version=2), "it is of version 2, and this collection knows version 1"),
    "without an id": (lambda plan: plan.pop("id"), "it has no id"),
    "an id that is a path": (lambda plan: plan.update(id="../../etc"), "its id is not 32 hexadecimal digits"),
    "no time": (lambda plan: plan.update(made="yesterday"), "time data 'yesterday' does not match"),
    "no list": (lambda plan: plan.update(plans={}), "plans is not a list"),
    "an entry without a digest": (lambda plan: plan["plans"][1]["plan"].pop("digest"), "plans[1].plan has no digest"),
    "steps that are none": (lambda plan: plan["plans"][0]["plan"].update(steps=[1]), "plans[0].plan.steps[0] is not a"),
    "symbols that are none": (
        lambda plan: plan["plans"][0]["binding"].update(symbols={"9": 9}),
        "plans[0].binding.symbols.9 is not a text",
    ),
    "a plan left out": (lambda plan: plan["plans"].pop(), "its digest is not that of its plans"),
    "yes for true": (lambda plan: plan["run"].update(check_mode="yes"), "run.check_mode is not true or false"),
    "true for 1": (lambda plan: plan.update(version=True), "version is not a whole number"),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_a_file_of_another_shape_is_refused_naming_the_place(folder: Folder, broken: str) -> None:
    document = folder.write(change(200), change(201))
    change_it, said = BROKEN[broken]
    change_it(document)
    folder.put(document)
    assert f"{folder.path} is not a plan that can be carried out: {said}" in why(folder.path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"version": 1, "id"', "Expecting"),
        ("", "Expecting value"),
        ("[]", "it is not a mapping"),
        ('{"plans": 1}', "it has no version"),
        ('{"version": 1, "version": 1}', "a key stands twice in it"),
        ('{"version": NaN}', "NaN is not JSON"),
        ("[" * 100_000, "recursion"),
    ],
)
def test_what_is_no_plan_is_refused(folder: Folder, text: str, said: str) -> None:
    folder.path.write_text(text)
    assert said in why(folder.path)


def test_a_cut_off_file_is_refused_wherever_it_ends(folder: Folder) -> None:
    folder.write(change(200))
    text = folder.path.read_text().rstrip()
    for end in range(0, len(text), 97):
        folder.path.write_text(text[:end])
        assert "is not a plan that can be carried out" in why(folder.path)


def test_what_everybody_may_write_is_refused(folder: Folder) -> None:
    folder.write(change(200))
    folder.path.chmod(0o666)
    assert "everybody may write to it" in why(folder.path)
    folder.path.chmod(0o644)
    folder.path.parent.chmod(0o777)
    assert "everybody may put another file in its place" in why(folder.path)
    link = folder.path.parent.parent / "link.json"
    link.symlink_to(folder.path)
    assert "everybody may put another file in its place" in why(link)
    folder.path.parent.chmod(0o1777)  # as /tmp: nobody can replace what is somebody else's
    assert plan_file.read(folder.path).entries


def test_what_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "it is not a regular file" in why(tmp_path / "pipe")
    assert "No such file" in why(tmp_path / "nowhere")


FORGED: dict[str, Callable[[Document], object]] = {
    "a step shows less": lambda entry: entry["plan"]["steps"][0]["data"].update(cores=2),
    "a step is gone": lambda entry: entry["plan"]["steps"].clear(),
    "another target": lambda entry: entry["plan"]["steps"][0].update(target="lxc/999"),
    "another object": lambda entry: entry["binding"]["objects"]["lxc/200"].update(cores=8),
    "a symbol too much": lambda entry: entry["binding"]["symbols"].update({"200": "x", "pve1": "y"}),
    "another digest": lambda entry: entry["plan"].update(digest=f"sha256:{'0' * 64}"),
}


@pytest.mark.parametrize("forged", FORGED)
def test_a_plan_that_does_not_show_what_it_stands_for_is_refused(folder: Folder, forged: str) -> None:
    document = folder.write(change(200), change(201))
    FORGED[forged](document["plans"][0])
    folder.put({**document, "digest": sha256([entry["plan"]["digest"] for entry in document["plans"]])})
    with pytest.raises(Refused, match=r"was changed after it was made: plans\[0\]"):
        folder.load().check()


def test_the_entry_that_is_used_must_show_what_it_stands_for(folder: Folder) -> None:
    document = folder.write(change(200), change(201))
    document["plans"][0]["plan"]["steps"][0]["data"]["cores"] = 2
    folder.put(document)
    with pytest.raises(Refused, match="was changed after it was made"):
        folder.allow(real(change(200)))


def test_the_prose_of_a_step_binds_nothing(folder: Folder) -> None:
    document = folder.write(change(200))
    document["plans"][0]["plan"]["steps"][0]["why"] = "because"
    folder.put(document)
    folder.load().check()


def test_it_is_read_once_while_it_stays_the_same(folder: Folder) -> None:
    document = folder.write(change(200))
    first = plan_file.read(folder.path)
    assert plan_file.read(folder.path) is first
    before = folder.path.stat().st_mtime_ns
    folder.put({**deepcopy(document), "id": "0" * 32})
    os.utime(folder.path, ns=(before, before + 1))  # some kernels tell it in steps of milliseconds
    assert plan_file.read(folder.path).id == "0" * 32
