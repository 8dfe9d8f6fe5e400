# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verify the proof of one change: ``python3 verify_proof.py PROOF --public-key KEY``.

This file stands alone, and needs Python with its package ``cryptography``. What it follows, from the change upwards:

    the records of the change  ->  the hash chain of their run  ->  an entry of the ledger's log (RFC 6962)
    ->  the root of the log  ->  a checkpoint (C2SP signed note)  ->  the public key

Or that the log has only grown since a checkpoint that somebody kept, by a proof of the other kind:
``python3 verify_proof.py PROOF --public-key KEY --checkpoint FILE``.

Exit status: 0 proven, 1 not proven, 3 cannot verify.
"""

import argparse
import base64
import hashlib
import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

FORMAT = "steward.proxmox proof v1"
GROWTH = "steward.proxmox growth v1"
ORIGIN = "steward.proxmox/"
#: in the log of a job there are time stamps before each line; in JSON and in syslog's files the ends are escaped
BREAK = r"(?:\r?\n(?:[^\r\n]{0,80}[ \t])?|\\r\\n|\\n|#012)"
CHECKPOINT = re.compile(
    rf"steward\.proxmox/([0-9a-f]{{32}}){BREAK}(0|[1-9]\d{{0,15}}){BREAK}([A-Za-z0-9+/]{{42}}[AEIMQUYcgkosw048]=)(?![^\s\\#\"])"
)
ED25519 = b"\1"
MAX_LENGTH = 1 << 26

Frame = dict[str, Any]


class NotProven(Exception):
    """The message says what does not fit."""


class CannotVerify(Exception):
    """Nothing can be said about this proof."""


class TreeHead(NamedTuple):
    """The log that a checkpoint stands for, and whose key signed it ("": it was seen elsewhere)."""

    ledger_id: str
    size: int
    root: bytes
    signer: str


@dataclass
class Proven:
    """The records of one change, and the log that holds them."""

    limits: ClassVar = (
        "that nothing else was changed, that what was recorded is what Proxmox did, and that the clock of the machine"
        " was right"
    )

    ledger_id: str
    size: int
    signer: str
    opening: Frame
    intent: Frame
    outcome: Frame | None
    #: a later run found out what had become of the change
    resolved: Frame | None


@dataclass
class Grown:
    """A log, and how many entries it had when somebody kept a checkpoint."""

    limits: ClassVar = "what the entries say, and that there are no others after these"

    ledger_id: str
    size: int
    signer: str
    older_size: int


def check(bundle: Any, public_keys: Iterable[str] = (), seen: str = "") -> Proven:
    """What the bundle proves to somebody who trusts one of these keys, or the checkpoints in a text that they kept.

    Raises NotProven, or CannotVerify.
    """
    with _well_formed():
        if bundle["format"] != FORMAT:
            raise CannotVerify(f"this is not a {FORMAT}")
        head = _trusted(bundle["checkpoint"], public_keys, seen)
        entries = [_entry(entry, head) for entry in bundle["entries"]]
        entered = {(entry["run"], entry["at"]): entry for entry in entries}
        frames = [frame for span in bundle["chain"] for frame in _span(span, entered)]
        return _story(head, frames)


def check_growth(bundle: Any, public_keys: Iterable[str] = (), seen: str = "") -> Grown:
    """That the log still begins with what the newest checkpoint in a text that somebody kept has seen of it.

    Raises NotProven, or CannotVerify.
    """
    with _well_formed():
        if bundle["format"] != GROWTH:
            raise CannotVerify(f"this is not a {GROWTH}")
        head = _trusted(bundle["checkpoint"], public_keys, seen)
        older = _head(bundle["older"])[0]
        kept = {found for found in _checkpoints(seen) if found.ledger_id == head.ledger_id}
        if older not in kept:
            raise NotProven("it goes on from another checkpoint than those that were kept")
        # otherwise an older one would do for whoever forged what came after it
        if not {found for found in kept if found.size >= older.size} <= {older, head._replace(signer="")}:
            raise NotProven("it does not go on from the newest checkpoint that was kept")
        if not _begins(older, head, bundle["consistency"]):
            raise NotProven(f"the log does not begin with the {older.size} entries of the checkpoint that was kept")
        return Grown(head.ledger_id, head.size, head.signer, older.size)


@contextmanager
def _well_formed() -> Iterator[None]:
    try:
        yield
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise NotProven(f"it is malformed: {error!r}") from None


def _checkpoints(text: str) -> Iterator[TreeHead]:
    """The checkpoints in any text, such as the log of a job."""
    for ledger_id, size, root in CHECKPOINT.findall(text):
        yield TreeHead(ledger_id, int(size), _bytes(root, 32), "")


def _head(note: str) -> tuple[TreeHead, str, list[str]]:
    """A checkpoint by itself, the text that is signed, and the lines of its signatures."""
    text, _blank, rest = note.partition("\n\n")
    origin, size, root = text.split("\n")
    *signatures, end = rest.split("\n")
    if not origin.startswith(ORIGIN) or end:
        raise NotProven("its checkpoint is not one of a ledger")
    return TreeHead(origin.removeprefix(ORIGIN), int(size), _bytes(root, 32), ""), f"{text}\n", signatures


def _trusted(note: str, public_keys: Iterable[str], seen: str) -> TreeHead:
    """The tree head of a checkpoint, once there is a reason to believe it."""
    head, text, signatures = _head(note)
    if head in _checkpoints(seen):
        return head
    for vkey in public_keys:
        name, public, key_id = _key(vkey)
        for line in signatures:
            dash, signer, blob = line.split(" ")
            if dash == "—" and signer == name and _bytes(blob)[:4] == key_id:
                _check_signature(public, _bytes(blob)[4:], text.encode())
                return head._replace(signer=name)
    raise NotProven("its checkpoint bears no signature of a key that is trusted, and was not seen elsewhere")


def _key(vkey: str) -> tuple[str, bytes, bytes]:
    """Name, public key and id of a key, as C2SP writes them: <name>+<id>+<base64>."""
    try:
        name, key_id, encoded = vkey.strip().split("+", 2)
        typed = _bytes(encoded, 33)
    except ValueError:
        raise CannotVerify(f"this is no public key: {_shown(vkey)}") from None
    if typed[:1] != ED25519 or hashlib.sha256(f"{name}\n".encode() + typed).hexdigest()[:8] != key_id:
        raise CannotVerify(f"this is no Ed25519 key, or it is damaged: {_shown(vkey)}")
    return name, typed[1:], bytes.fromhex(key_id)


def _check_signature(public: bytes, signature: bytes, text: bytes) -> None:
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    except ImportError:
        raise CannotVerify("Python's package cryptography is needed to check a signature") from None
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, text)
    except InvalidSignature:
        raise NotProven("the signature of its checkpoint is wrong") from None


def _entry(entry: Mapping[str, Any], head: TreeHead) -> Frame:
    """An entry of the log, once it is in the tree."""
    body, index = entry["body"].encode("ascii"), entry["index"]
    if _root(hashlib.sha256(b"\0" + body).digest(), index, head.size, entry["path"]) != head.root:
        raise NotProven(f"entry {index} is not in the log that the checkpoint stands for")
    frame = _json(body)
    if (frame["run_id"], frame["ledger_id"], frame["seq"]) != ("log", head.ledger_id, index + 1):
        raise NotProven(f"entry {index} of the log says that it is another one")
    return frame


def _root(leaf: bytes, index: int, size: int, path: Sequence[str]) -> bytes:
    """The root of a tree with this leaf and its path (RFC 9162 section 2.1.3.2)."""
    root = leaf
    for left, node in _steps(index, size - 1, path):
        root = _node(node, root) if left else _node(root, node)
    return root


def _begins(older: TreeHead, head: TreeHead, path: Sequence[str]) -> bool:
    """Whether a tree begins with another one (RFC 9162 section 2.1.4.2)."""
    if older.size == head.size:
        return older.root == head.root and path == []
    if not 0 < older.size < head.size:
        return False
    place, last = older.size - 1, head.size - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    # the smallest peak of the older tree; where there is no other, it is the root that is known
    start, path = (_bytes(path[0], 32), path[1:]) if place else (older.root, path)
    before = after = start
    for left, node in _steps(place, last, path):
        before = _node(node, before) if left else before
        after = _node(node, after) if left else _node(after, node)
    return (before, after) == (older.root, head.root)


def _steps(place: int, last: int, path: Sequence[str]) -> Iterator[tuple[bool, bytes]]:
    """The nodes beside a node and beside those above it, and whether each stands on the left."""
    if not 0 <= place <= last:
        raise ValueError(f"there is no place {place} in a row up to {last}")
    for text in path:
        if last == 0:
            raise ValueError("a path is too long")
        left = bool(place & 1) or place == last
        yield left, _bytes(text, 32)
        while left and place and not place & 1:  # this node has no neighbour, and takes part further up
            place, last = place >> 1, last >> 1
        place, last = place >> 1, last >> 1
    if last:
        raise ValueError("a path is too short")


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()


def _span(span: Mapping[str, Any], entered: Mapping[tuple[str, int], Frame]) -> list[Frame]:
    """The records that a piece of a run's chain shows; of the others it has only the hashes.

    The piece begins with the run or where one entry of the log says that the chain had got to, and ends at another.
    """
    run, place, shown = span["run"], span["after"], []
    head = bytes.fromhex(entered[run, place]["head"]) if place else _genesis(run, span["records"][0])
    for record in span["records"]:
        place += 1
        if record.startswith("{"):
            body = record.encode("ascii")
            shown.append(_json(body))
            if (shown[-1]["run_id"], shown[-1]["seq"]) != (run, place):
                raise NotProven(f"record {place} of run {run} says that it is another one")
            digest = hashlib.sha256(body).digest()
        else:
            digest = _bytes(record, 32)
        head = hashlib.sha256(b"\0" + head + digest).digest()
    end = entered[run, place]
    if head.hex() != end["head"]:
        raise NotProven(f"the records of run {run} are not those whose head is entry {end['seq'] - 1} of the log")
    ledger_id = end["ledger"] if end["type"] == "adopted" else end["ledger_id"]
    if any(frame["ledger_id"] != ledger_id for frame in shown):
        raise NotProven(f"the records of run {run} are of another ledger")
    return shown


def _genesis(run: str, opening: str) -> bytes:
    return hashlib.sha256((run + _json(opening.encode("ascii"))["ledger_id"]).encode()).digest()


def _story(head: TreeHead, frames: Sequence[Frame]) -> Proven:
    """The records that are shown must be those of one change, and of who made it."""
    openings = {frame["run_id"]: frame for frame in frames if frame["type"] == "run_open"}
    others = {frame["type"]: frame for frame in frames if frame["type"] != "run_open"}
    doubled = len(openings) + len(others) != len(frames)
    intent, outcome, resolved = others.pop("intent"), others.pop("outcome", None), others.pop("resolved", None)
    of = {"run": intent["run_id"], "op": intent["op_id"]}
    strange = outcome and {"run": outcome["run_id"], "op": outcome["op_id"]} != of
    if doubled or others or strange or (resolved and resolved["of"] != of):
        raise NotProven("it shows records that do not belong to the change")
    if {frame["run_id"] for frame in frames} != set(openings):
        raise NotProven("it does not show who made the run")
    return Proven(head.ledger_id, head.size, head.signer, openings[intent["run_id"]], intent, outcome, resolved)


def _json(body: bytes) -> Frame:
    frame = json.loads(body, object_pairs_hook=_unique)
    if not isinstance(frame, dict):
        raise TypeError("a record is not a JSON object")
    return frame


def _unique(pairs: list[tuple[str, Any]]) -> Frame:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key appears twice")
    return found


def _bytes(text: str, length: int | None = None) -> bytes:
    """What is base64, in its one form."""
    data = base64.b64decode(text, validate=True)
    if base64.b64encode(data).decode() != text or length not in (None, len(data)):
        raise ValueError(f"this is not base64 of {length or 'some'} bytes: {_shown(text)}")
    return data


def describe(proven: Proven | Grown) -> Iterator[str]:
    """What is proven, in lines for people."""
    by = f"signed by {proven.signer}" if proven.signer else "as it was seen elsewhere"
    if isinstance(proven, Grown):
        yield f"grown:    the log begins with the {proven.older_size} entries of the checkpoint that was kept"
    else:
        yield from _describe_change(proven)
    yield f"in:       the log of ledger {proven.ledger_id}, {proven.size} entries, {by}"


def _describe_change(proven: Proven) -> Iterator[str]:
    intent, outcome, resolved = proven.intent, proven.outcome, proven.resolved
    plan = intent.get("plan") or {}
    yield f"change:   {plan.get('summary')}"
    yield f"plan:     {plan.get('digest')}"
    yield f"by:       {_facts(proven.opening.get('actor'))}"
    yield f"task:     {(intent.get('task') or {}).get('name')} (host {intent.get('host')})"
    yield f"run:      {intent['run_id']}, operation {intent['op_id']}, opened {proven.opening['ts']}"
    yield f"intended: {intent['ts']}, record {intent['seq']}"
    if outcome:
        yield f"outcome:  {outcome.get('status')}, {outcome['ts']}, record {outcome['seq']}"
        yield from (f"task log: {upid}" for upid in outcome.get("upids") or ())
    if resolved:
        yield f"resolved: {resolved.get('status')}, {resolved['ts']}, run {resolved['run_id']}: {resolved.get('why')}"
    if not outcome and not resolved:
        yield "outcome:  none is shown"


def _facts(value: Any) -> str:
    return ", ".join(f"{name} {item}" for name, item in value.items()) if isinstance(value, dict) else str(value)


def _shown(text: str) -> str:
    """A proof that somebody else made must not steer the terminal of its reader."""
    return "".join(letter if letter.isprintable() else "?" for letter in text[:500])


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> Any:
        self.exit(3, f"{self.prog}: {message}\n")


def _arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = _Parser(
        description="Verify the proof of one change, or that a log has only grown.",
        epilog="Exit status: 0 proven, 1 not, 3 unknown",
    )
    parser.add_argument("proof", help="the JSON file that ledger_proof wrote")
    parser.add_argument("--public-key", action="append", default=[], help="a key, or a file of keys; may be repeated")
    parser.add_argument("--checkpoint", action="append", default=[], help="a text with checkpoints: a job's output")
    parser.add_argument("--json", action="store_true", help="print the records as JSON")
    return parser.parse_args(arguments)


def _read(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read(MAX_LENGTH)


def main(arguments: list[str] | None = None) -> int:
    options = _arguments(arguments)
    try:
        keys = " ".join(_read(given) if Path(given).exists() else given for given in options.public_key).split()
        bundle, seen = json.loads(_read(options.proof)), "\n".join(map(_read, options.checkpoint))
        growth = isinstance(bundle, dict) and bundle.get("format") == GROWTH
        proven = check_growth(bundle, keys, seen) if growth else check(bundle, keys, seen)
    except NotProven as error:
        print(f"NOT PROVEN: {_shown(str(error))}")
        return 1
    except (CannotVerify, OSError, ValueError, RecursionError) as error:
        print(f"cannot verify: {_shown(str(error))}", file=sys.stderr)
        return 3
    if options.json:
        print(json.dumps(asdict(proven), indent=2))
    else:
        print("PROVEN", *map(_shown, describe(proven)), f"Not proven by this: {proven.limits}", sep="\n")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Exception as error:  # noqa: BLE001 - Python's own exit status for a crash is 1: it would read as "not proven"
        print(f"cannot verify: {error!r}", file=sys.stderr)
        sys.exit(3)
