# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What opens a run: which collection it is."""

import hashlib
import json
from pathlib import Path

import pytest
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger import actor


def test_the_manifest_of_an_installed_collection_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(actor, "COLLECTION", tmp_path)
    assert actor.versions()["collection"] == "unknown"
    manifest = tmp_path / "MANIFEST.json"
    manifest.write_text(json.dumps({"collection_info": {"version": "1.2.3"}}))
    found = actor.versions()
    digest = hashlib.sha256(manifest.read_bytes()).hexdigest()
    assert (found["collection"], found["manifest"]) == ("1.2.3", f"sha256:{digest}")


def test_a_checkout_has_no_manifest() -> None:
    assert set(actor.versions()) == {"collection", "ansible", "python"}
