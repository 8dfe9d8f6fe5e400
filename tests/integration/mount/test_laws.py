# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The laws of every module, which tests/contract holds the others to in the lab, for mounts that are real."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._host.runner import Host

from tests.contract.harness import Site
from tests.contract.laws import prove
from tests.contract.scenario import Options, Scenario, Task

from .conftest import Bench, Stick

Told = dict[str, Any]


class RealSite(Site):
    """A host instead of a lab: what was sent to it, and what a change would change."""

    def __init__(self, bench: Bench) -> None:
        self.bench, self.sent = bench, list[str]()
        self.lab: Any = SimpleNamespace(pct="/usr/sbin/pct", requests=[])

    def forget(self) -> None:
        self.sent.clear()

    @property
    def writes(self) -> list[str]:
        return list(self.sent)

    @property
    def picture(self) -> Any:
        unit = self.bench.unit
        enabled = sorted(path.name for path in self.bench.place.glob("enabled-*"))
        return [self.bench.rows, self.bench.fstab.read_text(), unit.exists() and unit.read_text(), enabled]

    @property
    def secrets(self) -> set[str]:
        return set()

    def task(self, stick: Stick, **wanted: Any) -> Task:
        options = self.bench.options(stick, **wanted)
        return "privileged_host", options


@pytest.fixture
def site(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> RealSite:
    made, send = RealSite(bench), Host.send

    def logged(self: Host, method: str, path: str, data: Any = None) -> None:
        made.sent.append(f"{method} {path}")
        send(self, method, path, data)

    monkeypatch.setattr(Host, "send", logged)
    bench.boot()
    return made


@dataclass(frozen=True)
class Case:
    title: str
    wanted: Told
    steps: tuple[str, ...] = ()
    first: tuple[Told, ...] = ()
    #: what happens to the stick before
    before: Callable[[Bench, Stick], None] = lambda _bench, _stick: None


def mounted_plainly(bench: Bench, stick: Stick) -> None:
    bench.mount(stick, "relatime")


def under_another(bench: Bench, stick: Stick) -> None:
    bench.mount(stick)
    bench.mount(bench.stick())


def as_a_ghost(bench: Bench, stick: Stick) -> None:
    again = stick.copy("again")
    bench.sticks.append(again)
    bench.mount(stick)
    stick.pull()
    again.plug()


RELOADED = ("update", "update")
CASES = [
    Case("mounted", {}, ("create", "mount")),
    Case("mounted by fstab", {"persist": "fstab", "options": ["ro"]}, ("create", "mount", *RELOADED)),
    Case("mounted by a unit", {"persist": "systemd"}, ("create", "mount", *RELOADED, "update")),
    Case("there already", {"persist": "fstab"}, (), ({"persist": "fstab"},)),
    Case("from fstab to a unit", {"persist": "systemd"}, (*RELOADED, *RELOADED, "update"), ({"persist": "fstab"},)),
    Case("unmounted", {"state": "absent"}, ("unmount", *RELOADED), ({"persist": "fstab"},)),
    Case("unmounted, with its unit", {"state": "absent"}, ("unmount", "update", *RELOADED), ({"persist": "systemd"},)),
    Case("with other options", {"options": ["noexec"]}, ("update",), before=mounted_plainly),
    Case("under another", {}, ("unmount",), before=under_another),
    Case("pulled and plugged in again", {}, ("unmount", "mount"), before=as_a_ghost),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_every_law_holds_for_real_mounts(site: RealSite, case: Case) -> None:
    bench = site.bench
    stick = bench.stick()
    case.before(bench, stick)
    first = tuple(site.task(stick, **wanted) for wanted in case.first)
    options: Options = site.task(stick, **case.wanted)[1]
    proof = prove(site, Scenario("privileged_host", case.title, options, case.steps, first=first))
    assert proof.real["plan"]["undo"]["possible"] is not bool(case.steps)
    assert Path(bench.path).is_dir()
