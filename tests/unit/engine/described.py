# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What PVE's API description says of a guest's configuration, and values that fit it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from hypothesis import strategies as st

from tests.lab.propertystring import Form
from tests.lab.schema import NAMED_FORMS, Properties, properties_of

Schema = dict[str, Any]
OLDER = Path(__file__).parents[4] / "shared" / "contracts" / "pve-8.4.json"

_PCI = r"([0-9a-f]{4}:)?[0-9a-f]{2}:[0-9a-f]{2}(\.[0-7])?"
_BASE64 = "[A-Za-z0-9+/]+={0,2}"
# What the description calls the type of a key, where it only shows the form of a property string.
_SHOWN: dict[str, Schema] = {
    "1|0": {"type": "boolean"},
    "8-64|host": {"type": "string", "pattern": "[89]|[1-5][0-9]|6[0-4]|host"},
    "+FLAG[;-FLAG...]": {"type": "string", "pattern": "[+-][a-z][a-z0-9_.-]{0,9}(;[+-][a-z][a-z0-9_.-]{0,9}){0,4}"},
    "Base64 encoded string": {"type": "string", "pattern": _BASE64},
    "HOSTPCIID[;HOSTPCIID2...]": {
        "type": "string",
        "pattern": rf"{_PCI}(;{_PCI})?",
    },
    "UUID": {"type": "string", "pattern": "[a-fA-F0-9]{8}(-[a-fA-F0-9]{4}){3}-[a-fA-F0-9]{12}"},
    "[acdn]{1,4}": {"type": "string", "pattern": "[acdn]{1,4}"},
    "device[;device...]": {"type": "string", "pattern": "(scsi|net|ide)[0-3](;(virtio|sata|usb)[0-3])?"},
    "action=enum": {"enum": ["reset", "shutdown", "poweroff", "pause", "debug", "none"]},
    "reported-model=enum": {"type": "string", "pattern": "[A-Za-z][A-Za-z0-9-]{0,9}"},
    "hex id": {"type": "string", "pattern": "(0x)?[0-9a-fA-F]{4}"},
    "integer": {"type": "integer", "minimum": 0},
    "mapping-id": {"type": "string", "format": "pve-configid"},
    "sev-type": {"type": "string", "enum": ["std", "es", "snp"]},
    "string": {"type": "string", "pattern": "[A-Za-z0-9._-]{1,16}"},
    "tdx-type": {"type": "string", "enum": ["tdx"]},
    "vendor-id": {"type": "string", "pattern": "[A-Za-z0-9._-]{1,12}"},
    "volume": {"type": "string", "format": "pve-volume-id"},
}
_PART = re.compile(r"\[*,?\[*([\w-]+)=(\]?)<(.*?)>(\]?)(?=\s|$)")
_STARTUP: Form = {
    "order": {"type": "integer", "minimum": 0, "optional": 1, "default_key": 1},
    "up": {"type": "integer", "minimum": 0, "optional": 1},
    "down": {"type": "integer", "minimum": 0, "optional": 1},
}


def configuration(kind: str) -> Properties:
    """The parameters of the call that changes a configuration."""
    return properties_of("PUT", f"/nodes/{{node}}/{kind}/{{vmid}}/config")


def parameters(kind: str) -> Properties:
    """The parameters of every call that takes a configuration."""
    posted = properties_of("POST", f"/nodes/{{node}}/{kind}/{{vmid}}/config")  # there is none for containers
    return {**properties_of("POST", f"/nodes/{{node}}/{kind}"), **posted, **configuration(kind)}


def older(kind: str) -> Properties:
    """The parameters of PVE 8.4."""
    found: Properties = {}
    described = json.loads(OLDER.read_text(encoding="utf-8"))
    for path, method in ((f"/nodes/{{node}}/{kind}", "POST"), (f"/nodes/{{node}}/{kind}/{{vmid}}/config", "PUT")):
        found |= described[path][method]["parameters"]["properties"]
    return found


def form_of(schema: Schema) -> Form | None:
    """The keys of a property string, or None for what is not one."""
    form = schema.get("format")
    if isinstance(form, dict):
        return form
    if form == "pve-startup-order":
        return _STARTUP
    if form == "pve-qm-ipconfig":
        return NAMED_FORMS[form]
    return dict(_shown(str(schema.get("typetext") or ""))) or None


def _shown(text: str) -> Iterator[tuple[str, Schema]]:
    """A form as the description shows it: [[cputype=]<string>] [,hidden=<1|0>]"""
    for name, default, shown, optional in _PART.findall(text):
        words = {"enum": shown.split("|")} if "|" in shown else None
        schema = _SHOWN.get(shown) or _SHOWN.get(f"{name}={shown}") or words
        if schema is None:
            raise KeyError(f"'{shown}', the type of {name}, is not known here")
        yield name, {**schema, "optional": int(bool(optional)), **({"default_key": 1} if default else {})}


# -- values ------------------------------------------------------------------------------------------------------


def _regex(pattern: str) -> st.SearchStrategy[str]:
    python = re.sub(r"\(\?\^([a-z]*):", r"(?\1:", pattern)  # Perl writes (?^i:...) for (?i:...)
    fitting = st.from_regex(re.compile(python, re.ASCII), fullmatch=True)
    return fitting.filter(lambda text: bool(text) and not re.search(r"[\n,]", text))


_NAME = "[A-Za-z][A-Za-z0-9_-]{1,12}"
_IPV4 = r"10\.[1-9]\.[0-9]\.[1-9]"
_IPV6 = "fd0[0-9]::[1-9a-fA-F]{1,4}"
_VOLUME = r"[a-z]{2,8}:[1-9][0-9]{2}/vm-[1-9][0-9]{2}-disk-[0-9](\.raw)?"
_FORMATS: dict[str, str] = {
    "address-list": rf"{_IPV4}( {_IPV4})?",
    "disk-size": r"[1-9][0-9]{0,4}(\.5)?[KMGT]?",
    "dns-name": r"[a-zA-Z][a-z0-9]{0,9}(\.[a-z]{1,5})?",
    "dns-name-list": r"[a-z]{1,9}(\.[a-z]{1,5})?( [a-z]{1,9})?",
    "ipv4": _IPV4,
    "ipv6": _IPV6,
    "lxc-ip-with-ll-iface-list": rf"{_IPV4}( {_IPV6})?",
    "mac-addr": "[0-9a-fA-F][02468aceACE](:[0-9a-fA-F]{2}){5}",
    "pve-bridge-id": "[a-z]{2,8}[0-9]",
    "pve-configid": _NAME,
    "pve-cpuset": r"[0-9](,1[0-9](-2[0-9])?)?",
    "pve-ct-timezone": "host|Europe/Berlin|UTC",
    "pve-hotplug-features": "[01]|(network|disk)(,usb)?(,cpu)?(,memory)?(,cloudinit)?",
    "pve-ipv4-config": rf"dhcp|manual|{_IPV4}/24",
    "pve-ipv6-config": rf"auto|dhcp|manual|{_IPV6}/64",
    "pve-lxc-dev-string": "/dev/[a-z]{1,8}[0-9]?",
    "pve-lxc-mp-string": rf"{_VOLUME}|(/[a-z]{{1,8}}){{1,3}}",
    "pve-qm-bootdisk": "(ide|sata|scsi|virtio)[0-3]",
    "pve-qm-ide": rf"{_VOLUME}|none",
    "pve-storage-id": "[a-z][a-z0-9-]{0,8}[a-z0-9]",
    "pve-tag-list": r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,8}([;,][A-Za-z0-9_][A-Za-z0-9_.+-]{0,8}){0,3}",
    "pve-volume-id": _VOLUME,
    "pve-volume-id-or-absolute-path": rf"{_VOLUME}|(/[a-z]{{1,8}}){{1,3}}",
    "pve-volume-id-or-qm-path": rf"{_VOLUME}|none|cdrom|(/[a-z]{{1,8}}){{1,3}}",
}
# of what fits these, most means nothing, such as the range 9-2
_PATTERNS = {
    _BASE64: "([A-Za-z0-9+/]{4}){1,9}",
    r"(?^:\d+(?:-\d+)?(?:;\d+(?:-\d+)?)*)": "[0-9](-1[0-9])?(;[2-4][0-9](-5[0-9])?){0,2}",
}
_TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=12)


def values(schema: Schema) -> st.SearchStrategy[str]:
    """Texts that the description allows for an option."""
    longest = int(schema.get("maxLength", 1000))
    return _values(schema).filter(lambda text: len(text) <= longest)


def _values(schema: Schema) -> st.SearchStrategy[str]:
    form = form_of(schema)
    if form:
        return property_strings(form)
    if "enum" in schema:
        return st.sampled_from([str(value) for value in schema["enum"]])
    kind, named = schema.get("type", "string"), schema.get("format")
    if kind == "boolean":
        return st.sampled_from(["0", "1"])
    if kind == "integer":
        return st.integers(int(schema.get("minimum", 0)), int(schema.get("maximum", 2**40))).map(str)
    if kind == "number":
        most = float(schema.get("maximum", 10**6))
        return st.floats(float(schema.get("minimum", 0)), most, allow_subnormal=False).map(repr)
    if named == "urlencoded":
        return _TEXT.map(lambda text: quote(text, safe=""))
    pattern = schema.get("pattern") or _FORMATS.get(named or "")
    if named and not pattern:
        raise KeyError(f"the format {named} is not known here")
    return _regex(_PATTERNS.get(pattern, pattern)) if pattern else _TEXT.filter(lambda text: "," not in text)


@st.composite
def property_strings(draw: st.DrawFn, form: Form, whole: bool = False) -> str:
    """A property string of some or all keys of the form, sometimes by their other names, in any order."""
    pairs = draw(parts(form, whole))
    if "keyAlias" in form.get(pairs.get("model", ""), {}) and "macaddr" in pairs and draw(st.booleans()):
        pairs[pairs.pop("model")] = pairs.pop("macaddr")
    default = next((key for key, schema in form.items() if schema.get("default_key")), None)
    pairs = {draw(st.sampled_from(_names(form, key))): text for key, text in pairs.items()}
    bare = default in pairs and "=" not in pairs[default] and draw(st.booleans())
    rest = [
        f"{key}={text}" for key, text in draw(st.permutations(list(pairs.items()))) if not (bare and key == default)
    ]
    return ",".join([pairs[str(default)], *rest] if bare else rest)


def _names(form: Form, key: str) -> list[str]:
    """A key and its other names."""
    return [key, *(name for name, schema in form.items() if schema.get("alias") == key and "keyAlias" not in schema)]


@st.composite
def parts(draw: st.DrawFn, form: Form, whole: bool) -> dict[str, str]:
    """The keys and values of a property string."""
    keys = [key for key, schema in form.items() if "alias" not in schema]
    optional = [key for key in keys if form[key].get("optional")]
    chosen = {*keys} if whole else {*keys} - {*optional}
    if optional and not whole:
        chosen |= {*draw(st.lists(st.sampled_from(optional), unique=True, max_size=8))}
    chosen = chosen or {draw(st.sampled_from(optional))}
    chosen |= {str(form[key]["requires"]) for key in chosen if "requires" in form[key]}
    return {key: draw(values(form[key])) for key in sorted(chosen)}
