# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files that are whole or not there, and private."""

import stat
from pathlib import Path

import pytest
from ansible_collections.steward.proxmox.plugins.plugin_utils._plan_report import files


def test_write_replaces_and_is_private(tmp_path: Path) -> None:
    place = tmp_path / "plan.json"
    place.write_text("old")
    place.chmod(0o644)
    files.write(str(place), "new ü")
    assert place.read_text(encoding="utf-8") == "new ü"
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [place]


def test_a_failure_leaves_the_old_file_and_no_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "plan.json"
    place.write_text("old")

    def full(_descriptor: int) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        files.write(str(place), "new")
    assert (place.read_text(), list(tmp_path.iterdir())) == ("old", [place])


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "real")
    files.write(str(tmp_path / "link"), "x")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "x"


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("/dev/null", "is not a regular file"),
        ("{tmp}", "is not a regular file"),
        ("{tmp}/no/plan.json", "does not exist"),
        ("{tmp}/file/plan.json", "does not exist"),
    ],
)
def test_refused(tmp_path: Path, path: str, why: str) -> None:
    (tmp_path / "file").write_text("")
    path = path.format(tmp=tmp_path)
    with pytest.raises(OSError, match=why):
        files.check(path)
    with pytest.raises(OSError, match=why):
        files.write(path, "x")


def test_a_directory_without_permission_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda *_arguments: False)  # root may write everywhere
    with pytest.raises(OSError, match="is not writable"):
        files.check(str(tmp_path / "plan.json"))
