# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Host keys of ssh: those that known_hosts files name, and those that the inventory pins.

A file of OpenSSH is read line by line: what this reader does not understand belongs to somebody else, and stays where
it is. Nothing is ever written.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from ansible_collections.steward.proxmox.plugins.module_utils._errors import BadInput, StewardError

REVOKED, AUTHORITY = "@revoked", "@cert-authority"
_PIN = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")


class CannotConnect(StewardError):
    """Nobody was talked to, so nothing was run."""

    reassurance = "Nothing was run"


class HostKeyRefused(CannotConnect):
    """The server is not known to be the one that is meant; nothing was sent to it."""


@dataclass(frozen=True)
class Key:
    """A public key of a host, of any type that there may be."""

    type: str
    blob: bytes

    @classmethod
    def parse(cls, words: Sequence[str]) -> Key | None:
        """Of `ssh-ed25519 AAAA...`, with whatever follows; None where it is none."""
        try:
            return cls(words[0], base64.b64decode(words[1], validate=True))
        except (IndexError, binascii.Error):
            return None

    @property
    def fingerprint(self) -> str:
        """As `ssh-keygen -l` shows it."""
        digest = base64.b64encode(hashlib.sha256(self.blob).digest()).decode().rstrip("=")
        return f"SHA256:{digest}"

    def __str__(self) -> str:
        return f"{self.type} {self.fingerprint}"


@dataclass(frozen=True)
class Line:
    """One line of a known_hosts file."""

    marker: str
    hosts: str
    key: Key
    where: str

    def names(self, name: str) -> bool:
        """Is it about this host? A pattern with a `!` that matches excludes it."""
        found = False
        for pattern in self.hosts.split(","):
            if _matches(pattern.removeprefix("!"), name):
                if pattern.startswith("!"):
                    return False
                found = True
        return found


def _matches(pattern: str, name: str) -> bool:
    if pattern.startswith("|1|"):
        _empty, _version, salt, wanted = (*pattern.split("|"), "", "")[:4]
        try:
            digest = hmac.digest(base64.b64decode(salt), name.encode(), "sha1")
            return hmac.compare_digest(digest, base64.b64decode(wanted))
        except binascii.Error:
            return False
    # * and ? only: the brackets are those of [host]:port
    return fnmatchcase(name, pattern.lower().replace("[", "[[]"))


def _lines(path: Path) -> Iterator[Line]:
    text = path.read_text(encoding="utf-8", errors="replace")
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        marker = words.pop(0) if words and words[0].startswith("@") else ""
        key = Key.parse(words[1:])
        if key and not words[0].startswith("#"):
            yield Line(marker, words[0], key, f"{path}:{number}")


@dataclass(frozen=True)
class Trust:
    """Which hosts are believed to be who they say they are."""

    #: known_hosts files; those that do not exist know nobody
    files: Sequence[str]
    #: keys, or their fingerprints, that are believed whatever the files say, unless they revoke them
    pins: Sequence[str] = ()
    checking: bool = True

    def __post_init__(self) -> None:
        for pin in self.pins:
            if not _PIN.fullmatch(pin) and not Key.parse(pin.split()):
                raise BadInput(
                    f"host_key: {pin[:80]!r} is neither a public key, such as `ssh-ed25519 AAAA...`, nor its"
                    " fingerprint, such as SHA256: and 43 characters"
                )

    def types(self, host: str, port: int) -> set[str]:
        """The types of the keys that are known of a host: to be asked for one of them."""
        pinned = [key for pin in self.pins if (key := Key.parse(pin.split()))]
        named = pinned or [line.key for line in self._about(host, port)[0] if not line.marker]
        return {key.type for key in named}

    def check(self, host: str, port: int, key: Key) -> None:
        """Raise HostKeyRefused where this key is not the host's."""
        lines, unread = self._about(host, port)
        for line in lines:
            if line.marker == REVOKED and line.key == key:
                raise HostKeyRefused(f"The host key of {host} is revoked in {line.where}: {key}")
        if not self.checking:
            return
        if self.pins:
            self._check_pins(host, key)
        elif key not in [line.key for line in lines if not line.marker]:
            raise _stranger(host, port, key, lines, self.files, unread)

    def _check_pins(self, host: str, key: Key) -> None:
        if not any(pin == key.fingerprint or Key.parse(pin.split()) == key for pin in self.pins):
            raise HostKeyRefused(
                f"The host key of {host} is not the one that host_key says: {host} showed {key}",
                "A fingerprint counts for the key that the host shows first; for another one give the whole key",
            )

    def _about(self, host: str, port: int) -> tuple[list[Line], list[str]]:
        """What the files say of a host, and which of them could not be read."""
        name = host.lower() if port == 22 else f"[{host.lower()}]:{port}"
        found, unread = [], []
        for file in self.files:
            path = Path(file).expanduser()
            try:
                found += [line for line in _lines(path) if line.names(name)]
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as error:
                unread.append(f"{path} ({error.strerror})")
        return found, unread


def _stranger(
    host: str, port: int, key: Key, lines: Sequence[Line], files: Sequence[str], unread: Sequence[str]
) -> HostKeyRefused:
    known = [line for line in lines if not line.marker]
    for line in known:
        if line.key.type == key.type:
            return HostKeyRefused(
                f"The host key of {host} has changed: it showed {key}, and {line.where} says {line.key.fingerprint}",
                "Either somebody stands between, or the host was made anew: find out which before replacing the line",
            )
    facts = [f"The key of {host} port {port} is not known: it showed {key}, which none of {', '.join(files)} holds"]
    if known:
        others = ", ".join(sorted({line.key.type for line in known}))
        facts.append(f"keys of it that are known are {others}, and it showed none that could be compared")
    facts += [
        f"{line.where} names an authority for it, and certificates of hosts are not supported"
        for line in lines
        if line.marker == AUTHORITY
    ]
    facts += [f"{file} could not be read" for file in unread]
    return HostKeyRefused(
        "; ".join(facts),
        "Compare it with `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` on the console of the node, then add the"
        " key to known_hosts, or set host_key",
    )
