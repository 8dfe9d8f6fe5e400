# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The keys of a policy, one row each: how its value is read, and which of two values is the stricter. Pure."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ._errors import BadInput
from ._limits import LIMITS, Limits
from ._names import check_text
from ._protect import PROTECTS, Ids, Protect, ids_of
from ._prune import parse_age

#: a key of a policy, such as limits.max_cpu -> the words for who said so
Origin = Callable[[str], str]

#: the words of a key, from the loosest to the strictest
WORDS = {
    "approval": ("none", "destructive", "all"),
    "max_risk": ("high", "medium", "low"),
    "ledger": ("optional", "required"),
    "plan": ("optional", "required"),
    "signature": ("optional", "required"),
    "snapshot_before": ("never", "risky", "always"),
}
PROTECT_FROM = ("destructive", "any")
_ACTORS = ("os", "env", "awx", "awx_team", "awx_schedule")
#: the ways into a guest
EXEC = ("pct", "qga")
_EVERY_ID = (100, 999999999)
#: how the key of that kind begins; its 32 bytes follow (RFC 8709)
_ED25519 = b"\0\0\0\x0bssh-ed25519\0\0\0\x20"


@dataclass(frozen=True)
class Key:
    """`read`: (value, key, origin) -> checked value. `stricter`: of two values, what satisfies both."""

    read: Callable[[Any, str, Origin], Any]
    stricter: Callable[[Any, Any], Any]

    def strictest_of(self, one: tuple[Any, str], other: tuple[Any, str]) -> tuple[Any, str]:
        value = self.stricter(one[0], other[0])
        origins = [origin for had, origin in (one, other) if had == value]
        return value, origins[0] if origins else f"{one[1]} and {other[1]}"


def _word(allowed: tuple[str, ...]) -> Callable[[Any, str, Origin], str]:
    def read(value: Any, key: str, origin: Origin) -> str:
        if value not in allowed:
            raise BadInput(f"{origin(key)}: {value!r} is not one of {', '.join(allowed)}")
        return str(value)

    return read


def _later_of(words: tuple[str, ...]) -> Callable[[str, str], str]:
    return lambda one, other: max(one, other, key=words.index)


def _read_limits(value: Any, key: str, origin: Origin) -> Limits:
    known(_mapping(value, key, origin), LIMITS, key, origin)
    return Limits.of(value, lambda name: origin(f"{key}.{name}"))


def _read_protect(value: Any, key: str, origin: Origin) -> tuple[Protect, ...]:
    known(_mapping(value, key, origin), (*PROTECTS, "from"), key, origin)
    said = value.get("from")
    from_any = said is not None and _word(PROTECT_FROM)(said, f"{key}.from", origin) == "any"
    rules = []
    for what in PROTECTS:
        for text in _texts(value.get(what), f"{key}.{what}", origin):
            if what == "vmids":
                _ids(text, f"{key}.{what}", origin)
            rules.append(Protect(what, text, from_any, origin(f"{key}.{what}")))
    return tuple(rules)


def _read_actors(value: Any, key: str, origin: Origin) -> tuple[str, ...]:
    """Who may, with the members of the teams in the place of the teams: AWX tells no team to a job."""
    known(_mapping(value, key, origin), ("allow", "teams"), key, origin)
    if "allow" not in value:
        raise BadInput(f"{origin(key)}: it has no allow, the list of those who may")
    teams = {
        name: _texts(members, f"{key}.teams.{name}", origin)
        for name, members in _mapping(value.get("teams", {}), f"{key}.teams", origin).items()
    }
    allowed: list[str] = []
    for text in _texts(value["allow"], f"{key}.allow", origin):
        source, _mark, name = text.partition(":")
        if source not in _ACTORS or not name:
            forms = ", ".join(f"{one}:NAME" for one in _ACTORS)
            raise BadInput(f"{origin(f'{key}.allow')}: {text!r} is not one of {forms}")
        if source != "awx_team":
            allowed.append(text)
        elif name not in teams:
            raise BadInput(f"{origin(f'{key}.allow')}: {key}.teams does not say who is in the team {name!r}")
        else:
            allowed += [f"awx:{member}" for member in teams[name]]
    return tuple(dict.fromkeys(allowed))


def _read_signers(value: Any, key: str, origin: Origin) -> dict[str, str]:
    """Each key without its comment."""
    said = {str(name): _text(text, f"{key}.{name}", origin) for name, text in _mapping(value, key, origin).items()}
    keys = {name: " ".join(text.split()[:2]) for name, text in said.items()}
    for name, text in keys.items():
        if not _is_ed25519(text):
            raise BadInput(
                f"{origin(f'{key}.{name}')}: {text[:80]!r} is not an Ed25519 public key of OpenSSH, such as"
                " ssh-ed25519 AAAA..."
            )
    return keys


def _is_ed25519(text: str) -> bool:
    algorithm, _blank, encoded = text.partition(" ")
    try:
        blob = b64decode(encoded, validate=True)
    except ValueError:
        return False
    return algorithm == "ssh-ed25519" and len(blob) == len(_ED25519) + 32 and blob.startswith(_ED25519)


def _read_age(value: Any, key: str, origin: Origin) -> int:
    seconds = int(parse_age(origin(key), _text(value, key, origin)).total_seconds())
    if not seconds:
        raise BadInput(f"{origin(key)}: {value!r} is no time at all")
    return seconds


def _read_exec(value: Any, key: str, origin: Origin) -> dict[str, Ids]:
    known(_mapping(value, key, origin), EXEC, key, origin)
    return {
        how: tuple(
            _EVERY_ID if text == "*" else _ids(text, f"{key}.{how}", origin)
            for text in _texts(given, f"{key}.{how}", origin)
        )
        for how, given in value.items()
    }


def _overlap(one: Mapping[str, Ids], other: Mapping[str, Ids]) -> dict[str, Ids]:
    """The guests that stand in both; a variable says something of one way only, and nothing of the other."""
    shared = {how: [(max(a, c), min(b, d)) for a, b in one[how] for c, d in other[how]] for how in one if how in other}
    return {**one, **other, **{how: tuple(ids for ids in found if ids[0] <= ids[1]) for how, found in shared.items()}}


KEYS: dict[str, Key] = {
    **{name: Key(_word(words), _later_of(words)) for name, words in WORDS.items()},
    "valid_for": Key(_read_age, min),
    "limits": Key(_read_limits, Limits.strictest),
    "protect": Key(_read_protect, lambda one, other: tuple(dict.fromkeys([*one, *other]))),
    "actors": Key(_read_actors, lambda one, other: tuple(name for name in one if name in other)),
    "signers": Key(_read_signers, lambda one, other: dict(item for item in one.items() if item in other.items())),
    "exec": Key(_read_exec, _overlap),
}


# -- what a value may be ----------------------------------------------------------------------------------------------


def known(given: Mapping[str, Any], names: Iterable[str], key: str, origin: Origin) -> None:
    """Raise BadInput where a mapping has a key that is none of `names`."""
    for name in given:
        if name not in names:
            where = f"{key}.{name}" if key else str(name)
            raise BadInput(f"{origin(where)}: there is no such key; known are {', '.join(names)}")


def _mapping(value: Any, key: str, origin: Origin) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise BadInput(f"{origin(key)}: {value!r} is not a mapping")
    return value


def _texts(value: Any, key: str, origin: Origin) -> list[str]:
    if value is not None and not isinstance(value, (list, tuple)):
        raise BadInput(f"{origin(key)}: {value!r} is not a list")
    return [_text(item, key, origin) for item in value or ()]


def _text(value: Any, key: str, origin: Origin) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int)) or not str(value).strip():
        raise BadInput(f"{origin(key)}: {value!r} is not a text")
    return check_text(origin(key), str(value).strip())


def _ids(text: str, key: str, origin: Origin) -> tuple[int, int]:
    ids = ids_of(text)
    if ids is None:
        raise BadInput(f"{origin(key)}: {text!r} is neither a guest id nor a range of them, such as 100 or 200-299")
    return ids
