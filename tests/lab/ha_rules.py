# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""High availability: rules about the nodes and the company of resources."""

from __future__ import annotations

from typing import Any

from .call import Call, serves
from .errors import BadParameter, Died
from .formats import split_list
from .ha import check_digest
from .state import State, section_digest

RULES = "/cluster/ha/rules"
RULE = RULES + "/{rule}"
# The options of each type of rule, and what its values may be.
RULE_OPTIONS = {
    "node-affinity": ("comment", "disable", "nodes", "resources", "strict"),
    "resource-affinity": ("affinity", "comment", "disable", "resources"),
}
REQUIRED = {"node-affinity": ("nodes", "resources"), "resource-affinity": ("affinity", "resources")}


@serves("GET", RULES)
def rules(call: Call) -> list[dict[str, Any]]:
    kind, resource = call.params.get("type"), call.params.get("resource")
    return [
        _shown_rule(call.state, name)
        for name, rule in call.state.ha_rules.items()
        if kind in (None, rule["type"]) and (resource is None or resource in split_list(rule["resources"]))
    ]


def _shown_rule(state: State, name: str) -> dict[str, Any]:
    order = list(state.ha_rules).index(name) + 1
    return {"rule": name, "order": order, **state.ha_rules[name], "digest": section_digest(state.ha_rules)}


@serves("GET", RULE)
def rule(call: Call) -> dict[str, Any]:
    if call.params["rule"] not in call.state.ha_rules:
        raise Died(f"no such ha rule '{call.params['rule']}'")
    return _shown_rule(call.state, call.params["rule"])


@serves("POST", RULES)
def create_rule(call: Call) -> None:
    name, kind = call.params["rule"], call.params["type"]
    _check_fields(call, kind, REQUIRED[kind])
    new = {"type": kind, **_values(call, kind)}
    if not new.get("disable"):
        new.pop("disable", None)
    prefix = "create ha rule failed"
    if name in call.state.ha_rules:
        raise Died(f"{prefix}: HA rule '{name}' already defined")
    _check_rule(call.state, name, new, prefix)
    call.state.ha_rules[name] = new


@serves("PUT", RULE)
def update_rule(call: Call) -> None:
    name, kind, prefix = call.params["rule"], call.params["type"], "update HA rules failed"
    _check_fields(call, kind, ())
    check_digest(call, call.state.ha_rules, prefix)
    if name not in call.state.ha_rules:
        raise Died(f"{prefix}: HA rule '{name}' does not exist")
    old = call.state.ha_rules[name]
    if old["type"] != kind:
        raise Died(f"{prefix}: unexpected property 'type'")
    deletes = split_list(call.params.get("delete", ""))
    for key in deletes:
        if key in REQUIRED[kind]:
            raise Died(f"{prefix}: unable to delete required option '{key}'")
        if key not in RULE_OPTIONS[kind]:
            raise Died(f"{prefix}: no such option '{key}'")
    changes = _values(call, kind)
    if not changes.get("disable"):
        changes.pop("disable", None)  # it does not enable what is disabled
    new = {key: value for key, value in {**old, **changes}.items() if key not in deletes}
    _check_rule(call.state, name, new, prefix)
    call.state.ha_rules[name] = new


@serves("DELETE", RULE)
def delete_rule(call: Call) -> None:
    call.state.ha_rules.pop(call.params["rule"], None)


def _values(call: Call, kind: str) -> dict[str, Any]:
    """As they are stored: resources and nodes sorted."""
    found = {key: call.params[key] for key in RULE_OPTIONS[kind] if key in call.params}
    for key in ("resources", "nodes"):
        if key in found:
            found[key] = ",".join(sorted(split_list(found[key])))
    return found


def _check_fields(call: Call, kind: str, required: tuple[str, ...]) -> None:
    """The errors of what depends on the type are told under its name."""
    errors: dict[str, str] = {}
    for key in required:
        if key not in call.params:
            errors[f"oneOf[{kind}].{key}"] = "property is missing and it is not optional"
    if errors:
        raise BadParameter.of(errors)


def _check_rule(state: State, name: str, new: dict[str, Any], prefix: str) -> None:
    resources = split_list(new["resources"])
    unmanaged = [sid for sid in resources if sid not in state.ha]
    if unmanaged:
        raise Died(f"{prefix}: cannot use unmanaged resource(s) {', '.join(unmanaged)}.")
    nodes = [node.partition(":")[0] for node in split_list(new.get("nodes", ""))]
    unknown = [node for node in nodes if node not in state.nodes]
    if unknown:
        raise Died(f"{prefix}: cannot use non-existent node(s) {', '.join(unknown)}.")
    if new.get("disable"):
        return
    fault = _fault_with_others(state, name, new, resources)
    if fault:
        raise Died(f"{prefix}: 400 Rule '{name}' is invalid.\nresources: {fault}")


def _fault_with_others(state: State, name: str, new: dict[str, Any], resources: list[str]) -> str | None:
    if new["type"] == "resource-affinity":
        if len(resources) < 2:
            return "rule is ineffective as there are less than two resources"
        # With fewer nodes than resources they cannot all be apart. Nobody is up before the manager has run.
        up = len(state.nodes) if any(service.state for service in state.ha_services.values()) else 0
        if new["affinity"] == "negative" and len(resources) > up:
            return "rule defines more resources than available nodes"
        return None
    for other, rule in state.ha_rules.items():
        if other != name and rule["type"] == "node-affinity" and not rule.get("disable"):
            twice = next((sid for sid in resources if sid in split_list(rule["resources"])), None)
            if twice:
                return f"resource '{twice}' is already used in another node affinity rule"
    return None
