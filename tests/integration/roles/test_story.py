# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From an empty cluster to the last copy: previewed, done, done again."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.demo.site import ROOT, Run, Site

from .conftest import plans

DEMO = ROOT / "tests" / "demo" / "demo.yml"


@dataclass
class Story:
    site: Site
    previewed: Run
    done: Run
    again: Run
    guests_after_preview: int
    commands_after_preview: int


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    with Site(tmp_path_factory.mktemp("story")) as site:
        previewed = site.play(DEMO, "--check", "--diff", name="previewed")
        state = site.lab.state
        seen = len(state.guests), len(state.commands)
        yield Story(site, previewed, site.play(DEMO, name="done"), site.play(DEMO, name="again"), *seen)


def test_the_preview_fails_nowhere_and_changes_nothing(story: Story) -> None:
    assert (story.previewed.status, story.previewed.failed, story.previewed.changed) == (0, 0, 7)
    assert story.previewed.writes == []
    assert story.guests_after_preview == 0
    assert "6 to create, 1 to change, 0 to destroy" in story.previewed.report


def test_own_tasks_are_listed_in_the_preview_and_not_run(story: Story) -> None:
    for file in ("provision.yml", "seal.yml"):
        assert f"Not run in check mode: tasks/{file}" in story.previewed.output
        assert f"Not run in check mode: tasks/{file}" not in story.done.output
    assert story.commands_after_preview == 0
    assert [command["command"][0] for command in story.site.lab.state.commands] == ["sh", "cat", "truncate"]


def test_it_is_done_with_the_digests_that_were_previewed(story: Story) -> None:
    assert (story.done.status, story.done.failed) == (0, 0)
    assert len(plans(story.done, "intent")) == 9
    assert plans(story.previewed, "plan") == plans(story.done, "intent")


def test_the_second_time_nothing_is_left_to_do(story: Story) -> None:
    assert (story.again.status, story.again.failed, story.again.changed) == (0, 0, 0)
    assert story.again.writes == []
    assert plans(story.again, "intent") == []


def test_the_golden_container_is_stopped_protected_and_kept(story: Story) -> None:
    golden = story.site.lab.state.guests[9001]
    assert not golden.running
    assert golden.config["protection"] == 1
    assert list(golden.snapshots) == ["golden"]
    (backup,) = [volume for volume in story.site.lab.state.volumes.values() if volume.content == "backup"]
    assert (backup.notes, backup.protected) == ("golden-docker", True)


def test_a_copy_has_its_own_identity_and_keeps_the_features(story: Story) -> None:
    guests = story.site.lab.state.guests
    golden, copy = guests[9001].config, guests[202].config
    assert copy["hostname"] == "docker2"
    assert copy["features"] == golden["features"] == "nesting=1,keyctl=1"
    assert _mac(copy["net0"]) != _mac(golden["net0"])
    assert "ip=192.0.2.22/24" in copy["net0"]
    assert (copy["memory"], copy["cores"]) == (4096, 2)
    assert "size=16G" in copy["rootfs"]
    assert "protection" not in copy
    assert all(guests[vmid].running for vmid in (201, 202, 203))


def _mac(net: str) -> str:
    return net.partition("hwaddr=")[2][:17]
