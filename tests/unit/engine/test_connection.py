# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The connection options: what they mean together, and one clear message for each way to get them wrong."""

from typing import Any

import pytest
from ansible_collections.steward.proxmox.plugins.module_utils._connection import ENVIRONMENT, argument_spec, resolve
from ansible_collections.steward.proxmox.plugins.module_utils._errors import BadInput

PASSWORD: dict[str, Any] = {"api_host": ["pve1"], "api_user": "bob@pve", "api_password": "hunter2"}
TOKEN: dict[str, Any] = {"api_host": ["pve1"], "api_token_id": "bob@pve!ci", "api_token_secret": "s3cret"}
HEX = "0123456789ABCDEF" * 4

TOKENS: list[dict[str, Any]] = [
    {"api_token_id": "bob@pve!ci"},
    {"api_user": "bob@pve", "api_token_id": "ci"},
    {"api_user": "bob@pve", "api_token_id": "bob@pve!ci"},
    {"api_user": "bob@pve!ci"},
    {"api_user": "bob@pve!ci", "api_token_id": "ci"},
    {"api_user": "bob@pve!ci", "api_token_id": "bob@pve!ci"},
]


@pytest.mark.parametrize("names", TOKENS)
def test_a_token_is_understood_in_either_option(names: dict[str, Any]) -> None:
    found = resolve({"api_host": ["pve1"], "api_token_secret": "s3cret", **names})
    assert (found.user, found.token, found.secret) == ("bob@pve", "ci", "s3cret")
    assert found.identity == "bob@pve!ci"


def test_a_password_login_has_no_token() -> None:
    found = resolve(PASSWORD)
    assert (found.user, found.token, found.secret, found.identity) == ("bob@pve", "", "hunter2", "bob@pve")


def test_a_token_and_a_password_are_one_too_many() -> None:
    with pytest.raises(BadInput, match="both given"):
        resolve({**PASSWORD, **TOKEN})
    assert resolve({**PASSWORD, "api_token_id": "", "api_token_secret": ""}).secret == PASSWORD["api_password"]


@pytest.mark.parametrize(
    ("options", "is_root"),
    [
        ({**PASSWORD, "api_user": "root@pam"}, True),
        ({**PASSWORD, "api_user": "root@pve"}, False),
        ({**TOKEN, "api_token_id": "root@pam!full"}, False),
    ],
)
def test_only_the_password_of_root_is_root(options: dict[str, Any], is_root: bool) -> None:
    assert resolve(options).is_root is is_root


WRONG: list[tuple[dict[str, Any], str]] = [
    ({**PASSWORD, "api_host": None}, "api_host is not set"),
    ({**PASSWORD, "api_host": ["", " "]}, "api_host is not set"),
    ({**PASSWORD, "api_host": ["https://pve1"]}, "without https://"),
    ({**PASSWORD, "api_host": ["pve1/api2"]}, "is not a host name"),
    ({**PASSWORD, "api_host": ["pve1:8006"]}, r"without the port \(api_port\)"),
    ({**PASSWORD, "api_host": ["root@pve1"]}, "is not a host name"),
    ({**PASSWORD, "api_host": ["pve 1"]}, "is not a host name"),
    ({**PASSWORD, "api_host": ["pve\x00"]}, "is not a host name"),
    ({**PASSWORD, "api_host": ["p" * 513]}, "is not a host name"),
    ({**PASSWORD, "api_user": None}, "api_user is not set.*there is no default user"),
    ({**PASSWORD, "api_user": "root"}, "api_user 'root' has no realm"),
    ({**PASSWORD, "api_user": "root@pam\n"}, "api_user has control characters"),
    ({**PASSWORD, "api_user": "x" * 257}, "more than 256 characters"),
    ({**PASSWORD, "api_password": None}, "No credential for bob@pve"),
    ({**PASSWORD, "api_password": None, "api_token_secret": "x"}, "no token is named"),
    ({**TOKEN, "api_token_secret": None}, r"api_token_secret is not set.*bob@pve!ci"),
    ({**TOKEN, "api_token_id": "ci"}, "api_user is not set"),
    ({**TOKEN, "api_user": "eve@pve"}, "'eve@pve' is not the owner of api_token_id 'bob@pve!ci'"),
    ({**TOKEN, "api_user": "bob@pve!other"}, "names the token 'other', and api_token_id the token 'ci'"),
    ({**TOKEN, "fingerprint": "AA:BB"}, "is not a SHA-256 fingerprint"),
    ({**TOKEN, "fingerprint": "0" * 40}, "is not a SHA-256 fingerprint"),
    ({**TOKEN, "fingerprint": "G" * 64}, "is not a SHA-256 fingerprint"),
]


@pytest.mark.parametrize(("options", "text"), WRONG)
def test_wrong_options_are_named(options: dict[str, Any], text: str) -> None:
    with pytest.raises(BadInput, match=text) as caught:
        resolve(options)
    assert "hunter2" not in str(caught.value)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("secret", ["s3cret\n", "s3 cret", "s3cret\u00e9", "s3cret\r\nX-Evil: 1"])
def test_a_secret_that_would_break_the_header_is_refused_and_not_shown(secret: str) -> None:
    with pytest.raises(BadInput, match="api_token_secret has blanks, line ends") as caught:
        resolve({**TOKEN, "api_token_secret": secret})
    assert "s3" not in str(caught.value).replace("api_token_secret", "")


HOSTS: list[tuple[list[str], tuple[str, ...]]] = [
    (["pve1"], ("pve1",)),
    ([" pve1 ", "", "pve2.example.org"], ("pve1", "pve2.example.org")),
    (["192.0.2.1"], ("192.0.2.1",)),
    (["2001:db8::1", "[2001:db8::2]"], ("2001:db8::1", "[2001:db8::2]")),
]


@pytest.mark.parametrize(("given", "hosts"), HOSTS)
def test_hosts(given: list[str], hosts: tuple[str, ...]) -> None:
    assert resolve({**TOKEN, "api_host": given}).hosts == hosts


@pytest.mark.parametrize("form", [HEX, HEX.lower(), ":".join(HEX[i : i + 2] for i in range(0, 64, 2)), f" {HEX} "])
def test_every_form_of_a_fingerprint_is_the_same(form: str) -> None:
    assert resolve({**TOKEN, "fingerprint": form}).fingerprint == HEX


def test_without_options_tls_is_verified_by_the_system_and_the_times_are_bounded() -> None:
    found = resolve(TOKEN)
    assert (found.validate_certs, found.ca_path, found.fingerprint) == (True, None, None)
    assert found.timeout == (5.0, 30.0)
    assert found.port is None


def test_verification_goes_only_when_told() -> None:
    assert resolve({**TOKEN, "validate_certs": False}).validate_certs is False
    assert resolve({**TOKEN, "validate_certs": None}).validate_certs is True


def test_a_connection_does_not_show_its_secret() -> None:
    for options in (PASSWORD, TOKEN):
        shown = repr(resolve(options))
        assert "pve1" in shown
        assert "hunter2" not in shown
        assert "s3cret" not in shown


def test_every_secret_option_is_no_log_and_every_variable_belongs_to_an_option() -> None:
    spec = argument_spec()
    assert {name for name, row in spec.items() if row.get("no_log")} == {"api_password", "api_token_secret"}
    assert ENVIRONMENT.keys() <= spec.keys()
    assert all(variable.startswith("PROXMOX_") for variable in ENVIRONMENT.values())
