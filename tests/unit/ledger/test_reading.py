# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which ledger is read, what is told where that cannot be, and that a database is read like a directory."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._errors import BadInput, Refused
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger import log, verify, verify_proof
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.changes import change, changes
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.note import Checkpoint, Signer, origin_of
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.postgresql import PostgresStore
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.proof import Prover
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.read import read
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.reading import ledger_of, public_key_of
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.postgres import Postgres, postgres

__all__ = ["postgres"]  # the fixture

SIGNER = Signer("steward", Ed25519PrivateKey.generate())
PLAN = {"summary": "stop qemu/101", "steps": [{"op": "stop", "target": "qemu/101"}]}


def test_what_cannot_be_read_is_said_with_the_option(tmp_path: Path) -> None:
    with (
        pytest.raises(BadInput, match=f"^path, dsn: the ledger {tmp_path}/none cannot be read: "),
        ledger_of({"path": f"{tmp_path}/none"}) as ledger,
    ):
        list(ledger.runs())
    with (
        pytest.raises(BadInput, match="a ledger is in one place"),
        ledger_of({"path": "/a", "dsn": "postgresql://b"}),
    ):
        pass
    with pytest.raises(BadInput, match=f"the ledger {tmp_path} cannot be read: gone"), ledger_of({"path": tmp_path}):
        raise verify.Unverifiable("gone")
    with pytest.raises(Refused, match="The ledger is not what was written: twice"), ledger_of({"path": tmp_path}):
        raise verify.Tampered("twice")


def test_a_public_key_is_given_as_it_is_or_as_a_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"{SIGNER.vkey}\n")
    assert [public_key_of(text) for text in (SIGNER.vkey, str(tmp_path / "key"), None)] == [SIGNER.vkey] * 2 + [""]
    for wrong in (str(tmp_path / "none"), SIGNER.vkey.replace("steward", "other"), "x"):
        with pytest.raises(BadInput, match=r"^public_key: "):
            public_key_of(wrong)


def test_a_database_is_read_like_a_directory(postgres: Postgres) -> None:
    store = PostgresStore(postgres.ledger())
    chain, last = store.begin({"actor": {"source": "env", "user": "alice"}})
    head = log.enter(store, "open", run=chain.run_id, at=last.seq, head=last.head)
    chain.append("intent", {"op_id": "a1", "plan": PLAN})
    last = chain.append("outcome", {"op_id": "a1", "status": "ok"})
    head = log.enter(store, "checkpoint", run=chain.run_id, at=last.seq, head=last.head)
    store.keep(Checkpoint(origin_of(store.ledger_id), head.size, head.root).text([SIGNER]))
    source = store.source()
    (found,) = changes(source, {"vmid": 101})
    assert found.row()["by"] == "alice (by STEWARD_ACTOR)"
    bundle = Prover(source, {chain.run_id}, SIGNER.vkey).prove(change(source, "a1").records)
    assert verify_proof.check(bundle, [SIGNER.vkey]).intent["plan"] == PLAN
    recorded = read(source, "last")
    assert (recorded.run, recorded.where) == (chain.run_id, source.where(chain.run_id))
    assert postgres.password not in recorded.where
