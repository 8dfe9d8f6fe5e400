# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""API tokens: what is sent, what is told once, and what cannot be known."""

import json
from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._errors import BadInput, NotFound, Refused
from ansible_collections.steward.proxmox.plugins.module_utils._memory import Memory
from ansible_collections.steward.proxmox.plugins.module_utils._plan import Plan
from ansible_collections.steward.proxmox.plugins.module_utils._token import TOKEN

from tests.contract.harness import Site, validated
from tests.lab import Lab
from tests.unit.engine.fakes import world_of

MAY_SEE = {"/access/groups": {"User.Modify": 1}}
WEB = {"tokenid": "web", "privsep": 1, "expire": 0, "comment": "old"}
USERS = [{"userid": "ci@pve", "tokens": [WEB]}, {"userid": "new@pve"}]


def planned(permissions: Any = "", memory: Memory | None = None, check: bool = False, **options: Any) -> Plan:
    given = {**dict.fromkeys(TOKEN.options), "state": "present", "userid": "ci@pve", "tokenid": "web", **options}
    answers = {"/access/users?full=1": USERS, "/access/permissions": MAY_SEE if permissions == "" else permissions}
    return TOKEN.plan(given, world_of(answers, memory, check))


def sent(plan: Plan) -> list[tuple[str, str, dict[str, Any]]]:
    return [(step.method, step.path, dict(step.data)) for step in plan.steps]


def test_only_what_differs_is_sent() -> None:
    assert sent(planned(expire=5, comment="old")) == [("PUT", "/access/users/ci@pve/token/web", {"expire": 5})]
    assert sent(planned(comment="")) == [("PUT", "/access/users/ci@pve/token/web", {"comment": ""})]
    assert sent(planned(privsep=True, expire=0)) == []
    made = planned(userid="new@pve", privsep=False)
    assert sent(made) == [("POST", "/access/users/new@pve/token/web", {"privsep": 0})]
    assert sent(planned(state="absent")) == [("DELETE", "/access/users/ci@pve/token/web", {})]
    assert sent(planned(tokenid="other", state="absent")) == []


def test_without_separation_it_may_do_what_its_user_may() -> None:
    assert planned(privsep=False).blast.risk(True)["level"] == "high"
    assert planned(comment="new").blast.risk(True)["level"] == "low"


def test_a_removed_one_does_not_come_back() -> None:
    assert planned(state="absent").undo.why == "a token that is made again has another secret"
    (back,) = planned(expire=5).undo.steps
    assert (back["op"], back["data"]["expire"], back["left"]["expire"]) == ("update", 0, 5)


def test_a_user_that_is_not_listed_may_be_invisible() -> None:
    with pytest.raises(Refused, match="Whether token who@pve!web exists is unknown"):
        planned(permissions={"/": {"Sys.Audit": 0}}, userid="who@pve")
    with pytest.raises(NotFound, match="User who@pve does not exist"):
        planned(userid="who@pve")
    assert not planned(userid="who@pve", state="absent").steps


@pytest.mark.parametrize("options", [{"userid": "ci"}, {"tokenid": "a/b"}, {"tokenid": "x"}, {"comment": "a\x1b"}])
def test_names_are_checked_before_anything_is_sent(options: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match=next(iter(options))):
        planned(**options)


def test_a_later_task_of_a_preview_sees_it() -> None:
    memory = Memory()
    memory.remember(planned(userid="new@pve", comment="mine"), {}, check=True)
    assert not planned(memory=memory, check=True, userid="new@pve", comment="mine", privsep=True).steps


def test_the_secret_is_told_once_and_stands_nowhere_else() -> None:
    with Lab() as lab:
        site = Site(lab)
        run = site.run(identity="root_token")
        result = run.done("token", {"userid": "alice@pve", "tokenid": "web"})
        secret = lab.state.users["alice@pve"]["tokens"]["web"]["secret"]
        assert result.pop("secret") == secret
        assert secret not in json.dumps([result, run.entries, run.planned, run.binding, lab.requests])
        assert "secret" not in run.done("token", {"userid": "alice@pve", "tokenid": "web"})
        preview = site.run(check=True, identity="root_token").done("token", {"userid": "alice@pve", "tokenid": "other"})
        assert preview["secret"] == "(known after apply: secret of alice@pve!other)"


def test_all_options_have_their_types() -> None:
    given = validated(TOKEN, {"api_host": ["x"], "userid": "ci@pve", "tokenid": "web", "expire": "5"})
    assert (given["expire"], given["privsep"], given["state"]) == (5, None, "present")
