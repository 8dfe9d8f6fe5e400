# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Firewall rules of the cluster, its security groups, the nodes and the guests: a list, a rule is its position."""

from __future__ import annotations

import ipaddress
import re
from typing import Any

from . import firewall
from .call import Call, serves
from .errors import BadParameter, Died
from .firewall import LEVELS
from .formats import split_list
from .schema import properties_of

LIST = [*(f"{level}/firewall/rules" for level in (*LEVELS, "/nodes/{node}")), "/cluster/firewall/groups/{group}"]
ONE = [f"{path}/{{pos}}" for path in LIST]
ENVIRONMENTS = {"lxc": "ct", "qemu": "vm"}
MACROS = ("DNS", "FTP", "HTTP", "HTTPS", "NTP", "Ping", "SMTP", "SNMP", "SSH", "Web")
ICMP = {"icmp": 4, "icmpv6": 6, "ipv6-icmp": 6}
ACTIONS = ("ACCEPT", "DROP", "REJECT")


def _own(call: Call) -> list[dict[str, Any]] | None:
    """The list that the call is about; None where no rule ever was."""
    if "group" not in call.params:
        return firewall.of(call).rules
    name = call.params["group"]
    found = firewall.of(call).groups.get(name.lower())
    if found is None:
        raise Died(f"no such security group '{name}'")
    rules: list[dict[str, Any]] | None = found.get("rules")
    return rules


def _store(call: Call, rules: list[dict[str, Any]]) -> None:
    if "group" in call.params:
        firewall.of(call).groups[call.params["group"].lower()]["rules"] = rules
    else:
        firewall.of(call).rules = rules


def _rules(call: Call, line: int) -> list[dict[str, Any]]:
    """Writing where no rule ever was ends with Perl's own words."""
    found = _own(call)
    if found is None and firewall.scope(call) != "/cluster":
        where = f"/usr/share/perl5/PVE/API2/Firewall/Rules.pm line {line}."
        raise Died(f"Can't use an undefined value as an ARRAY reference at {where}")
    return found or []


def _at(rules: list[dict[str, Any]], pos: int) -> dict[str, Any]:
    if pos >= len(rules):
        raise Died(f"no rule at position {pos}")
    return rules[pos]


def _shown(call: Call, rule: dict[str, Any], pos: int | str) -> dict[str, Any]:
    texts = [str(rule.get(key, "")) for key in ("source", "dest")]
    version = next((found for text in texts if (found := _version(text))), ICMP.get(str(rule.get("proto"))))
    shown = {"enable": 0, **rule, "pos": pos, "digest": firewall.digest_of(call)}
    return shown | ({"ipversion": version} if version else {})


def _version(text: str) -> int | None:
    try:
        return ipaddress.ip_interface(re.split(r"[,-]", text)[0]).version
    except ValueError:
        return None


@serves("GET", *LIST)
def index(call: Call) -> list[dict[str, Any]]:
    rules = _own(call) or []
    return [_shown(call, rule, pos) for pos, rule in enumerate(rules)]


@serves("GET", *ONE)
def read(call: Call) -> dict[str, Any]:
    pos = int(call.params["pos"])
    return _shown(call, _at(_own(call) or [], pos), str(pos))


@serves("POST", *LIST)
def create(call: Call) -> None:
    """A new rule is the first, whatever position and digest are sent."""
    rule = _checked(call, _fields(call))
    _store(call, [rule, *(_own(call) or [])])


def _fields(call: Call) -> dict[str, Any]:
    left_out = ("node", "vmid", "group", "pos", "digest", "delete", "moveto")
    return {key: value for key, value in call.params.items() if key not in left_out}


@serves("PUT", *ONE)
def update(call: Call) -> None:
    firewall.check_digest(call)
    rules, pos = _rules(call, 373), int(call.params["pos"])
    rule = _at(rules, pos)
    if "moveto" in call.params:
        target = int(call.params["moveto"])
        kept = [(n, other) for n, other in enumerate(rules) if n != pos]
        before = [other for n, other in kept if n < target]
        _store(call, [*before, rule, *(other for n, other in kept if n >= target)])
        return
    deletes = split_list(call.params.get("delete", ""))
    for key in deletes:
        if key not in properties_of("POST", "/cluster/firewall/rules"):
            raise BadParameter(delete=f"no such property ('{key}')")
    changed = {**rule, **_fields(call)}
    rules[pos] = _checked(call, {key: value for key, value in changed.items() if key not in deletes and value != ""})


@serves("DELETE", *ONE)
def delete(call: Call) -> None:
    firewall.check_digest(call)
    rules, pos = _rules(call, 462), int(call.params["pos"])
    _at(rules, pos)
    del rules[pos]


def _checked(call: Call, rule: dict[str, Any]) -> dict[str, Any]:
    errors: dict[str, str] = {}
    if "group" in call.params and rule["type"] == "group":
        errors["type"] = "invalid rule type 'group' for rule_env 'group'"
    elif "group" in call.params and "iface" in rule:
        errors["type"] = "parameter -i not allowed for this rule type"
    if rule["type"] != "group":
        errors |= _check_action(call, rule)
        errors |= _check_places(call, rule)
        for key in ("dport", "sport"):
            if key in rule and "proto" not in rule:
                errors["proto"] = f"missing property - '{key}' requires this property"
    if errors:
        raise BadParameter.of(errors)
    return rule


def _check_action(call: Call, rule: dict[str, Any]) -> dict[str, str]:
    environment = ENVIRONMENTS.get(call.path.split("/")[3]) if "vmid" in call.params else None
    if rule["type"] == "forward" and environment:
        return {"type": f"invalid rule type 'forward' for rule_env '{environment}'"}
    if rule["type"] == "forward" and rule["action"] == "REJECT":
        return {"action": "cannot define REJECT rules on forward chain"}
    if rule["action"] not in ACTIONS:
        return {"action": f"unknown action '{rule['action']}'"}
    if "macro" in rule:
        macro = next((name for name in MACROS if name.lower() == str(rule["macro"]).lower()), None)
        if macro is None:
            return {"macro": f"unknown macro '{rule['macro']}'"}
        rule["macro"] = macro
    if environment and "iface" in rule and not re.fullmatch(r"net\d+", str(rule["iface"])):
        return {"iface": r"value does not match the regex pattern 'net\d+'"}
    return {}


def _check_places(call: Call, rule: dict[str, Any]) -> dict[str, str]:
    """Sources and destinations are addresses, or aliases and sets that exist."""
    errors = {}
    own, cluster = firewall.of(call), call.state.firewalls.get("/cluster")
    for key in ("source", "dest"):
        text = str(rule.get(key, ""))
        if not text or _version(text):
            continue
        name = re.sub(r"^\+?(dc/|guest/)?", "", text).lower()
        kind = "ipsets" if text.startswith("+") else "aliases"
        known = {**(getattr(cluster, kind) if cluster else {}), **getattr(own, kind)}
        if name not in known:
            errors[key] = f"no such {'ipset' if kind == 'ipsets' else 'alias'} '{name}'"
    return errors
