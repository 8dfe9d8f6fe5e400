# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The policy file: YAML that is read strictly. One that is not right is an error, and never no policy."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import yaml
from ansible_collections.steward.proxmox.plugins.module_utils._errors import BadInput
from ansible_collections.steward.proxmox.plugins.module_utils._policy import GUARDED, Policy
from ansible_collections.steward.proxmox.plugins.module_utils._policy_keys import EXEC

VERSION = 1
_MOST_BYTES = 1 << 20
_DEEPEST = 8

_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Base):
    """Safe YAML in which nothing stands twice and nothing is empty."""

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        seen: set[str] = set()
        for key, _value in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.value == "<<":
                raise _wrong("a key is a plain word", key)
            if key.value in seen:
                raise _wrong(f"the key {key.value!r} stands twice", key)
            seen.add(key.value)
        return super().construct_mapping(node, deep)

    def refuse_nothing(self, node: Any) -> NoReturn:
        raise _wrong("a key or an item has no value", node)


_Loader.add_constructor("tag:yaml.org,2002:null", _Loader.refuse_nothing)


def load(path: Path, said_by: str) -> Policy:
    """The policy in a file. What it leaves out is as in the built-in policy. Raises BadInput naming file and key."""
    values = _parsed(_text(path, said_by), path)
    version = values.pop("version", None)
    if isinstance(version, bool) or version != VERSION:
        raise BadInput(f"version in {path}: {version!r} is not {VERSION}, the version that is understood here")

    def origin(key: str) -> str:
        top, _dot, name = key.partition(".")
        said = top in values and (top != "limits" or not name or name in values[top])
        return f"{key} in {path}" if said else f"guarded, because {path} leaves {key} out"

    given = {**GUARDED, **values}
    if isinstance(given["limits"], Mapping):
        given["limits"] = {**GUARDED["limits"], **given["limits"]}
    if isinstance(given.get("exec"), Mapping):  # a file that speaks of it at all says it all
        given["exec"] = {**{how: [] for how in EXEC}, **given["exec"]}
    policy = Policy.of(given, origin)
    if policy.signature_required and not policy.signers:
        raise BadInput(f"signature in {path}: required, but signers names nobody who could sign")
    return policy


def _text(path: Path, said_by: str) -> str:
    """What the file holds, if only those could have written it who may."""
    try:
        stream = open(path, "rb", opener=_at_once)  # noqa: SIM115 - closed below, outside of this try
    except OSError as error:
        why = f"{said_by}: the policy {path} cannot be read: {error.strerror}"
        raise BadInput(why, "The built-in policy is called guarded; any other name is a path") from None
    with stream:
        found = os.fstat(stream.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise BadInput(f"{said_by}: the policy {path} is not a regular file")
        for place, mode in [(path, found.st_mode), *_directories(path)]:
            if mode & stat.S_IWOTH:
                raise BadInput(f"{said_by}: everybody can write to {place}, so anybody could loosen the policy {path}")
        content = stream.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise BadInput(f"{said_by}: the policy {path} has more than {_MOST_BYTES} bytes")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise BadInput(f"{said_by}: the policy {path} is not UTF-8: {error}") from None


def _at_once(path: str, flags: int) -> int:
    """Open without waiting for somebody at the other end of a pipe."""
    return os.open(path, flags | os.O_NONBLOCK)


def _directories(path: Path) -> list[tuple[Path, int]]:
    """Where the file could be exchanged: its directory, and that of the link that leads to it."""
    return [(place, os.stat(place).st_mode) for place in (path.parent, path.resolve().parent)]


def _parsed(text: str, path: Path) -> dict[str, Any]:
    try:
        _plain(text)
        values = yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f", line {mark.line + 1}" if mark else ""
        raise BadInput(f"{path}{where}: {error.problem}") from None
    except yaml.YAMLError as error:
        raise BadInput(f"{path}: {error}") from None
    if not isinstance(values, dict):
        raise BadInput(f"{path} holds no mapping; it begins with version: {VERSION}")
    return values


def _plain(text: str) -> None:
    """Raise where the text uses what a policy has no use for, and what could hide something or never end."""
    depth = 0
    for event in yaml.parse(text, _Loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            raise _wrong("this is nested too deep for a policy", event)
        shown = getattr(event, "anchor", None) or getattr(event, "tag", None)
        if shown:
            raise _wrong(f"{shown!r}: a policy has no anchors, aliases and tags", event)


def _wrong(what: str, found: Any) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=what, problem_mark=found.start_mark)
