# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verify a ledger: ``python3 verify.py PATH [--expected-head HEAD] [--checkpoint FILE] [--public-key KEY] [--json]``.

This file needs nothing but Python's standard library (and ``cryptography`` where a public key is given) and knows
nothing of the code that writes ledgers, so that an auditor can read it, copy it, and run it anywhere. It streams: its
memory does not grow with the length of a run.

Exit status: 0 intact, 1 tampered, 2 incomplete (an open run, or a change with an unknown outcome), 3 cannot verify.

Of every record the hash and its place in the chain are checked. The rest of its JSON is parsed where it counts: in the
whole log, and in those records of a run that are no operations. ``--strict`` parses all of it.
"""

import argparse
import base64
import binascii
import hashlib
import json
import os
import re
import stat
import struct
import sys
from collections import Counter
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, field
from itertools import chain, groupby
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Protocol

VERSION = 1
LOG = "log"
MAX_JSON = 1 << 20
MAX_LINE = 64 + 1 + MAX_JSON + 1
#: what hostile input may make this hold: changes without an outcome, in bytes (with the cost of each) and in number
MAX_HELD = 64 << 20
OVERHEAD = 512
MAX_CHANGES = 100_000
MAX_LISTED = 1000

#: how the JSON of a record begins: up to its number, and from its time on
START = b'{"v":%d,"ledger_id":"%b","run_id":"%b","seq":'
REST = re.compile(
    rb'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z","type":"([a-z_]{1,32})"'
    rb'(?:,"op_id":"([0-9A-Za-z._-]{1,64})")?(?:,"status":"([a-z]{1,16})")?[,}]'
)
LEDGER_ID = re.compile(rb'"ledger_id":"([0-9A-Za-z._-]{1,64})"')
RUN_ID = re.compile(rb'"run_id":"([0-9A-Za-z._-]{1,64})"')
TIME = re.compile(rb'"ts":"([^"]{27})"')
RECORD = re.compile(rb"[0-9a-f]{64} .*\n", re.DOTALL)
HASH = re.compile(r"[0-9a-f]{64}")
HEAD = re.compile(r"(?:sha256:)?([0-9a-f]{64})")
IDENTIFIER = re.compile(r"[0-9A-Za-z._-]{1,64}")
RUN_FILE = re.compile(r"(\d{8}T\d{6}Z)-([0-9a-f]{32})(?:\.([1-9]\d{0,8}))?\.jsonl")

#: the records of a run
OF_AN_OPERATION = frozenset({b"plan", b"intent", b"outcome", b"refused"})
OF_THE_RUN = frozenset({b"run_open", b"note", b"segment", b"resolved", b"run_close"})
STATUSES = frozenset({b"ok", b"failed", b"unknown"})
#: the records of the log
BEGINS_A_RUN = frozenset({b"open", b"adopted"})
ENDS_A_RUN = frozenset({b"close", b"settled", b"adopted", b"retired"})
OF_SOME_RUN = BEGINS_A_RUN | ENDS_A_RUN | {b"checkpoint"}
OF_THE_LOG = frozenset({b"key", b"note", b"segment"})

INTACT, TAMPERED, INCOMPLETE, UNVERIFIABLE = "intact", "tampered", "incomplete", "unverifiable"
EXIT_STATUS = {INTACT: 0, TAMPERED: 1, INCOMPLETE: 2, UNVERIFIABLE: 3}
WORST_FIRST = (TAMPERED, UNVERIFIABLE, INCOMPLETE)

ORIGIN = "steward.proxmox/"
SIGNED_BY = r"— ([^\s+]{1,200}) ([A-Za-z0-9+/]{1,1000}={0,2})"
SIGNATURE = re.compile(SIGNED_BY)
NOTE = re.compile(
    r"steward\.proxmox/([0-9a-f]{32})\n(0|[1-9]\d{0,15})\n([A-Za-z0-9+/]{43}=)"
    rf"(?:\n\n({SIGNED_BY}(?:\n{SIGNED_BY})*))?"
)
#: what a process that was killed may have left of one
BEGUN = re.compile(
    r"steward\.proxmox/[0-9a-f]{0,32}(?:\n\d{0,16}(?:\n[A-Za-z0-9+/]{0,43}=?(?:\n\n(?:— \S+ \S+\n)*[^\n]{0,1300})?)?)?"
)
#: in the log of a job there are time stamps before each line; in JSON and in syslog's files the ends are escaped
BREAK = r"(?:\r?\n(?:[^\r\n]{0,80}[ \t])?|\\r\\n|\\n|#012)"
ANYWHERE = re.compile(
    rf"steward\.proxmox/([0-9a-f]{{32}}){BREAK}(0|[1-9]\d{{0,15}}){BREAK}([A-Za-z0-9+/]{{43}}=)(?![^\s\\#\"])"
    rf"((?:{BREAK}{{1,2}}(?:—|\\u2014) [^\s+\\#]{{1,200}} [A-Za-z0-9+/]{{1,1000}}={{0,2}}){{0,32}})"
)
SIGNED_ANYWHERE = re.compile(r"(?:—|\\u2014) ([^\s+\\#]+) ([A-Za-z0-9+/]+={0,2})")
LONGEST_NOTE = 1 << 16
BLOCK = 1 << 20
VKEY = re.compile(r"([^\s+]{1,200})\+([0-9a-f]{8})\+([A-Za-z0-9+/]{44})")
ED25519 = b"\x01"
MAX_SIZE = 1 << 63
POINT = struct.Struct(">Q32s")
NO_POINT = (0, b"")


class Tampered(Exception):
    """The next record cannot be what was written."""


class Unverifiable(Exception):
    """Nothing can be said about this."""


@dataclass
class Problem:
    file: str
    record: int
    verdict: str
    reason: str


@dataclass
class Change:
    """An intent whose outcome nobody recorded."""

    file: str
    record: int
    run_id: str
    op_id: str
    host: str
    target: str
    summary: str
    reason: str


@dataclass
class Chain:
    """Records that are chained by their hashes, as far as they could be read."""

    file: str
    run_id: str = ""
    ledger_id: str = ""
    head: str = ""
    records: int = 0
    torn: int = 0
    problem: Problem | None = None


@dataclass
class Run(Chain):
    """What the records of one run say."""

    closed: bool = False
    broken: str = ""
    counts: Counter[str] = field(default_factory=Counter)
    pending: dict[str, Change] = field(default_factory=dict)
    unknown: list[Change] = field(default_factory=list)
    #: what it found out of other runs' changes that had no outcome: (run, op) -> status
    resolved: dict[tuple[str, str], str] = field(default_factory=dict)


@dataclass
class Report:
    verdict: str = INTACT
    exit_status: int = 0
    runs: int = 0
    records: int = 0
    heads: dict[str, str] = field(default_factory=dict)
    #: of the log: how many entries it has, the root of the tree over them, how many checkpoints agree with it, and up
    #: to which entry a trusted key has signed
    entries: int = 0
    root: str = ""
    checkpoints: int = 0
    signed: int = 0
    #: what is accounted for by nothing but the word of the log: runs that are gone, and runs that were never closed
    retired: int = 0
    settled: int = 0
    problems: list[Problem] = field(default_factory=list)
    dangling: list[Change] = field(default_factory=list)

    def judge(self, verdict: str) -> None:
        found = (self.verdict, verdict)
        self.verdict = next((worst for worst in WORST_FIRST if worst in found), INTACT)
        self.exit_status = EXIT_STATUS[self.verdict]

    def blame(self, problem: Problem) -> None:
        if len(self.problems) < MAX_LISTED:
            self.problems.append(problem)
        self.judge(problem.verdict)

    @property
    def consistent(self) -> bool:
        return self.verdict in (INTACT, INCOMPLETE)


class Source(Protocol):
    """What can be read of a ledger, wherever it is kept. What cannot be read raises Unverifiable or OSError."""

    name: str

    @property
    def ledger_id(self) -> str | None:
        """None: this is the file of one run alone. Empty: the ledger's name is gone."""

    def runs(self) -> Iterable[str]:
        """The ids of the runs, by their beginning, the oldest first."""

    def began(self, run_id: str) -> str:
        """When: 20261121T124500Z."""

    def where(self, run_id: str) -> str:
        """The run's first file, or what else people know it by. LOG is the log."""

    def lines(self, run_id: str) -> Iterator[bytes]:
        """Every line of a run, or of LOG, its segments joined. Each ends with a newline, but for one that is torn."""

    def checkpoints(self) -> Iterator[str]:
        """The notes that are kept in the ledger, the oldest first."""

    def strangers(self) -> Iterable[str]:
        """What lies among the runs and is none."""


def verify(
    source: Source,
    expected_head: str | Mapping[str, str] | None = None,
    running: Collection[str] = (),
    checkpoints: Iterable[str] = (),
    public_keys: Iterable[str] = (),
    partial: bool = False,
    strict: bool = False,
) -> Report:
    """Verify a ledger, or one run alone.

    ``expected_head`` is what a job printed: the head of some run found here, or a mapping of run ids to heads.
    The runs named in ``running`` are allowed to be still open.
    ``checkpoints`` are texts that were kept elsewhere, such as the output of a job, each with a checkpoint in it.
    ``public_keys`` are those that must have signed; the keys to which they handed over are followed.
    ``partial``: some runs were taken out into this place; those that only the log knows are not missed.
    ``strict``: parse all of every record.
    """
    report = Report()
    try:
        expected, keys = _expected(expected_head), Keys(public_keys)
        outside = [_notes_of(text) for text in checkpoints]
        work = _Verification(source, report, running, partial, strict)
        work.runs(expected)
        work.heads(expected)
        work.checkpoints(outside, keys)
        work.outcomes()
    except Tampered as error:
        report.blame(Problem(source.name, 0, TAMPERED, str(error)))
    except (OSError, Unverifiable) as error:
        report.blame(Problem(source.name, 0, UNVERIFIABLE, str(error)))
    return report


class _Verification:
    """A ledger against what it says of itself, and against what was kept of it elsewhere."""

    def __init__(self, source: Source, report: Report, running: Collection[str], partial: bool, strict: bool) -> None:
        self.source, self.report, self.running, self.partial = source, report, running, partial
        self.see = (lambda frame: None) if strict else None
        self.ledger_id = source.ledger_id
        self.alone = self.ledger_id is None
        self.changes: list[Change] = []
        self.resolved: dict[tuple[str, str], str] = {}
        # read before the runs: whatever it says of them is there by then, however many processes write meanwhile
        self.log = Log(source.name) if self.alone else read_log(source)

    def runs(self, expected: Mapping[str, str]) -> None:
        run_ids = list(self.source.runs())
        ahead = [run_id for run_id in run_ids if not self._run(run_id, expected)]
        if ahead or self._missing(run_ids):  # others may have begun, ended or retired runs since the log was read
            self.log = read_log(self.source)
        for run_id in ahead:
            self._run(run_id, expected, late=True)
        for run_id in self._missing(run_ids):
            number = self.log.runs[run_id].number
            self._blame(number, TAMPERED, f"the run {run_id} is missing: this entry of the log is of it")
        self._judge_log()
        for stranger in self.source.strangers():
            self.report.blame(Problem(stranger, 0, UNVERIFIABLE, "this is not a run of the ledger"))
        there = set(run_ids)
        self.report.retired = sum(entry.retired for run_id, entry in self.log.runs.items() if run_id not in there)
        if not run_ids and not self.log.records:
            self._blame(0, UNVERIFIABLE, "the ledger has no runs")

    def _missing(self, there: Collection[str]) -> list[str]:
        if self.partial:
            return []
        seen = set(there)
        return [run_id for run_id, entry in self.log.runs.items() if run_id not in seen and not entry.retired]

    def _run(self, run_id: str, expected: Mapping[str, str], late: bool = False) -> bool:
        """Read a run and judge it. False: the log did not know it, or its end, when it was read."""
        entry = self.log.runs.get(run_id)
        expected_head = expected.get("") or expected.get(run_id, "")
        run = read(self.source, run_id, expected_head, self.see, entry or ())
        ahead = run.closed and not entry.over if entry else run.records > 1
        if ahead and not (self.alone or late):
            return False
        problem = run.problem or (None if self.alone else self._against_log(run, entry))
        self.report.runs += 1
        self.report.records += run.records
        self.resolved |= run.resolved
        if run.run_id and not (problem and problem.verdict == UNVERIFIABLE):
            self.report.heads[run.run_id] = run.head
        if problem:
            self.report.blame(problem)
        elif run.run_id not in self.running or run.torn:
            self._judge_end(run, entry)
        return True

    def _against_log(self, run: Run, entry: "Entry | None") -> Problem | None:
        """Whether this is a run of this ledger, and no more of it is there than the log allows."""
        ledger_id = (entry and entry.ledger) or self.ledger_id
        if run.records and run.ledger_id != ledger_id:
            return Problem(run.file, 1, TAMPERED, "the run belongs to another ledger")
        if entry is None and run.records > 1 and not self.log.problem:
            reason = "the log does not know this run" if self.log.records else "the log of the ledger is gone"
            return Problem(run.file, 0, TAMPERED, reason)
        if entry and entry.over and not entry.settled and run.records > entry.at:
            return Problem(run.file, entry.at + 1, TAMPERED, "records were added after the end that the log has")
        return None

    def _judge_end(self, run: Run, entry: "Entry | None") -> None:
        """What a run lacks, unless the log accounts for it."""
        over, settled = (entry.over, entry.settled) if entry else (self.alone, False)
        if entry and settled and run.records > entry.at:  # it was not dead
            over = settled = False
        torn = f"; its last {run.torn} bytes are no whole record" if run.torn else ""
        if not (run.closed or settled):
            self.report.blame(Problem(run.file, run.records, INCOMPLETE, f"the run was not closed{torn}"))
        elif not run.closed:
            self.report.settled += 1
        elif not (over or self.log.problem):
            self.report.blame(Problem(run.file, run.records, INCOMPLETE, "its end was not entered in the log"))
        if run.broken and not settled:
            self.report.blame(Problem(run.file, run.records, INCOMPLETE, f"recording failed in this run: {run.broken}"))
        self.changes += [*run.unknown, *run.pending.values()][: MAX_CHANGES - len(self.changes)]

    def _judge_log(self) -> None:
        if self.log.problem:
            self.report.blame(self.log.problem)
        elif self.log.torn:
            self._blame(self.log.records, INCOMPLETE, f"its last {self.log.torn} bytes are no whole record")
        if not self.alone:
            self.report.entries, self.report.root = self.log.records, _base64(self.log.root(self.log.records))

    def _blame(self, record: int, verdict: str, reason: str) -> None:
        self.report.blame(Problem(self.log.file, record, verdict, reason))

    def heads(self, expected: Mapping[str, str]) -> None:
        """An edit whose chain was computed anew is consistent in itself: only what was kept elsewhere tells."""
        retired = {run_id: entry.head.hex() for run_id, entry in self.log.runs.items() if entry.retired}
        known = retired | self.report.heads
        why = "; the chain is consistent: only the head caught it" if self.report.consistent else ""
        for run_id, head in expected.items():
            if run_id and run_id not in known:
                reason = f"the run {_shown(run_id)} is missing"
            elif run_id and known[run_id] != head:
                reason = f"the run {run_id} does not end with the expected head{why}"
            elif not run_id and head not in known.values():
                reason = f"no run ends with the expected head{why}"
            else:
                continue
            self.report.blame(Problem(self.source.name, 0, TAMPERED, reason))

    def checkpoints(self, outside: Iterable[list["Note"]], keys: "Keys") -> None:
        """The log against its checkpoints: those that are kept beside it, and those that somebody kept elsewhere."""
        if self.ledger_id == "":  # which was blamed already; nothing can be compared with it
            return
        for notes in outside:
            if self.alone:
                raise Unverifiable("a checkpoint is of a whole ledger, and this is one run")
            if all(note.ledger_id != self.ledger_id for note in notes):
                self._disagrees(notes[0], f"of another ledger, {notes[0].ledger_id}")
        given = [note for notes in outside for note in notes if note.ledger_id == self.ledger_id]
        keys.follow(self.ledger_id or "", self.log.keys)
        later: list[Note] = []
        for note in chain(given, self._kept()):
            if not self._checkpoint(note, keys) and len(later) < MAX_LISTED:
                later.append(note)
        if later and not self.log.problem:  # others may have made entries since the log was read
            self.log = read_log(self.source)
            keys.follow(self.log.ledger_id, self.log.keys)
        for note in later:
            if not (self._checkpoint(note, keys) or self.log.problem):
                here = f"and {self.log.records} are here: it was cut off or rolled back"
                self._disagrees(note, f"of {note.size} entries, {here}")
        self._judge_signatures(keys)

    def _kept(self) -> Iterator["Note"]:
        for text in self.source.checkpoints():
            whole = text.rstrip("\n")
            if note := _note(whole):
                yield note
            elif NOTE.fullmatch(whole) or not _is_begun(whole):  # else a process was killed while it wrote one
                self._blame(0, TAMPERED, f"what is kept as a checkpoint is none: {_shown(text)!r}")

    def _checkpoint(self, note: "Note", keys: "Keys") -> bool:
        """Compare one. False: it is of a longer log than the one that was read."""
        if note.ledger_id != self.ledger_id:
            self._disagrees(note, f"of another ledger, {note.ledger_id}")
        elif note.size > self.log.records:
            return False
        elif self.log.root(note.size) != note.root:
            why = "; the ledger is consistent: only the checkpoint caught it" if self.report.consistent else ""
            self._disagrees(note, f"of {note.size} other entries: one of them was altered{why}")
        else:
            self.report.checkpoints += 1
            keys.check(note)
        return True

    def _disagrees(self, note: "Note", how: str) -> None:
        self._blame(min(note.size, self.log.records), TAMPERED, f"there is a checkpoint {how}")

    def _judge_signatures(self, keys: "Keys") -> None:
        self.report.signed = keys.signed
        for vkey in sorted(keys.spoilt):
            self._blame(0, TAMPERED, f"a checkpoint has a wrong signature of {vkey}")
        if keys.given and not self.report.signed:
            self._blame(0, UNVERIFIABLE, f"none of its checkpoints is signed by {', '.join(keys.given)}")

    def outcomes(self) -> None:
        """Name the changes of which nobody knows what came of them, later runs neither."""
        for change in self.changes:
            if self.resolved.get((change.run_id, change.op_id)) not in ("ok", "failed"):
                self.report.judge(INCOMPLETE)
                if len(self.report.dangling) < MAX_LISTED:
                    self.report.dangling.append(change)


def _expected(heads: str | Mapping[str, str] | None) -> dict[str, str]:
    """Expected heads by run id; the empty run id stands for "some run"."""
    by_run = heads if isinstance(heads, Mapping) else {"": heads} if heads is not None else {}
    expected = {}
    for run_id, head in by_run.items():
        match = HEAD.fullmatch(str(head).strip().lower())
        if not match:
            raise Unverifiable(f"the expected head {_shown(str(head))!r} is not a SHA-256 hash")
        expected[str(run_id)] = match[1]
    return expected


# One chain


#: a record whose hash fits: type, op_id, status (empty where it does not begin with one), JSON, hash
_Record = tuple[bytes, bytes, bytes, bytes, bytes]


def _go_through(chain: Chain, source: Source, run_id: str, take: Callable[[Iterator[_Record]], None]) -> None:
    """Read a chain, up to the first record that cannot be right."""
    try:
        chain.file = source.where(run_id)
        with closing(_records(chain, run_id, source.lines(run_id))) as records:
            take(records)
    except Tampered as error:
        chain.problem = Problem(chain.file, chain.records + 1, TAMPERED, str(error))
    except (OSError, Unverifiable) as error:
        chain.problem = Problem(chain.file, chain.records + 1, UNVERIFIABLE, str(error))


def _records(chain: Chain, run_id: str, lines: Iterable[bytes]) -> Generator[_Record, None, None]:
    """The inner loop: what it costs, each record costs."""
    sha256, hexlify = hashlib.sha256, binascii.hexlify
    start = tip = b""
    try:
        for line in lines:
            if chain.torn:
                raise Tampered("something follows a record that is not whole")
            if len(line) > MAX_LINE:
                raise Tampered("the line is longer than a record can be")
            if line[-1:] != b"\n":
                chain.torn = len(line)
                continue
            if not start:
                start, tip = _begin(chain, run_id, line)
            body = line[65:-1]
            found = sha256(b"\0" + tip + sha256(body).digest()).digest()
            if line[:65] != hexlify(found) + b" ":
                raise _misfit(line, chain.records + 1)
            place = b'%b%d,"ts":"' % (start, chain.records + 1)
            rest = REST.match(body, len(place)) if body.startswith(place) else None
            if rest is None:
                raise _misplaced(chain, body)
            kind, op_id, status = rest.groups(b"")
            yield kind, op_id, status, body, found
            tip = found
            chain.records += 1
    finally:
        chain.head = tip.hex()


def _begin(chain: Chain, run_id: str, line: bytes) -> tuple[bytes, bytes]:
    """The ids of a chain stand in its first record: how its records begin, and what its first hash covers."""
    if not RECORD.fullmatch(line):
        raise Tampered("the line is not a record")
    ids = [found[1] if (found := pattern.search(line, 65, 512)) else b"" for pattern in (LEDGER_ID, RUN_ID)]
    chain.ledger_id, chain.run_id = (name.decode() for name in ids)
    if not all(ids):
        raise Tampered("the record does not say of which run it is")
    if run_id not in ("", chain.run_id):
        raise Tampered("this is the record of another run")
    return START % (VERSION, *ids), hashlib.sha256(ids[1] + ids[0]).digest()


def _misfit(line: bytes, place: int) -> Tampered:
    """Why a hash does not fit, as far as that can be told."""
    if not RECORD.fullmatch(line):
        return Tampered("the line is not a record")
    seq = _frame(line[65:-1]).get("seq")
    if isinstance(seq, int) and seq != place:
        return Tampered(f"this is where record {place} was, and it says it is record {seq}: removed, inserted or moved")
    return Tampered("its hash does not fit: this record, or the hash of the one before it, was altered")


def _misplaced(chain: Chain, body: bytes) -> Tampered | Unverifiable:
    """Why a record whose hash fits does not begin as one in its place does."""
    frame = _frame(body)
    if isinstance(frame.get("v"), int) and frame["v"] > VERSION:
        return Unverifiable(f"written in format {frame['v']}; this verifier knows format {VERSION}")
    if (frame.get("run_id"), frame.get("ledger_id")) != (chain.run_id, chain.ledger_id):
        return Tampered("the record belongs to another run")
    return Tampered("the record does not begin with the fields of its place")


def _frame(body: bytes) -> dict[str, Any]:
    try:
        frame = json.loads(body.decode("ascii"), object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise Tampered(f"the record is not valid JSON: {_shown(str(error))}") from None
    if not isinstance(frame, dict):
        raise Tampered("the record is not a JSON object")
    return frame


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key appears twice")
    return found


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


# A run


def read(
    source: Source,
    run_id: str,
    expected_head: str = "",
    see: Callable[[dict[str, Any]], None] | None = None,
    points: Iterable[tuple[int, bytes]] = (),
) -> Run:
    """Read one run, up to the first record that cannot be right. ``see`` gets each record until then.

    ``points`` are the hashes that the log has of its records, by their numbers.
    """
    run = Run(source.name)
    account = _Account(run, bytes.fromhex(expected_head), see, iter(points))
    _go_through(run, source, run_id, account.take)
    account.end()
    return run


class _Account:
    """Pairs intents with outcomes, counts, and compares with the hashes that are known."""

    def __init__(
        self,
        run: Run,
        expected: bytes,
        see: Callable[[dict[str, Any]], None] | None,
        points: Iterator[tuple[int, bytes]],
    ) -> None:
        self._run, self._expected, self._see, self._points = run, expected, see, points
        self._known = next(points, NO_POINT)
        self._pending: dict[bytes, tuple[int, bytes]] = {}
        self._counts: Counter[bytes] = Counter()
        self._held = self._passed = 0
        self._segments = 1
        self._told: dict[bytes, Callable[[dict[str, Any]], None]] = {
            b"segment": self._segment,
            b"resolved": self._resolved,
            b"run_close": self._run_close,
        }

    def take(self, records: Iterator[_Record]) -> None:
        run, counts, see = self._run, self._counts, self._see
        for kind, op_id, status, body, found in records:
            number = run.records + 1
            if run.closed:
                raise Tampered("something follows the end of the run")
            if kind not in (OF_AN_OPERATION if op_id else OF_THE_RUN) or (kind == b"run_open") != (number == 1):
                raise Tampered(f"a record of type {kind.decode()} cannot stand here")
            if number == self._known[0] or found == self._expected:
                self._compare(number, found)
            frame = _frame(body) if see or not op_id else {}
            if kind == b"intent":
                self._intent(number, op_id, body)
            elif kind == b"outcome":
                kind = self._outcome(op_id, status, body)
            elif kind in self._told:
                self._told[kind](frame)
            counts[kind] += 1
            if see:
                see(frame)

    def _compare(self, number: int, found: bytes) -> None:
        """This is a record whose hash is known, or should be."""
        if found == self._expected:
            self._passed = number
        if number == self._known[0]:
            if found != self._known[1]:
                raise Tampered("the log has another hash of it: this record, or one before it, was altered")
            self._known = next(self._points, NO_POINT)

    def _intent(self, number: int, op_id: bytes, body: bytes) -> None:
        if op_id in self._pending:
            raise Tampered("the same operation is intended twice")
        self._held += len(body) + OVERHEAD
        if self._held > MAX_HELD:
            raise Unverifiable(f"more than {MAX_HELD} bytes of changes without an outcome")
        self._pending[op_id] = number, body

    def _outcome(self, op_id: bytes, status: bytes, body: bytes) -> bytes:
        if op_id not in self._pending:
            raise Tampered("an outcome without its intent")
        number, intent = self._pending.pop(op_id)
        self._held -= len(intent) + OVERHEAD
        if not status:
            status = str(_frame(body).get("status")).encode()
        if status not in STATUSES:
            raise Tampered("an outcome without a status")
        if status == b"unknown" and len(self._run.unknown) < MAX_LISTED:
            self._run.unknown.append(_change(self._run, number, op_id, intent, "recorded as unknown"))
        return b"outcome_" + status

    def _segment(self, frame: dict[str, Any]) -> None:
        self._segments += 1
        if frame.get("next") != self._segments:
            raise Tampered("the link to the next file does not fit")

    def _resolved(self, frame: dict[str, Any]) -> None:
        of = frame.get("of")
        of = of if isinstance(of, dict) else {}
        self._run.resolved[_identifier(of, "run"), _identifier(of, "op")] = _label(frame.get("status"))
        if len(self._run.resolved) > MAX_CHANGES:
            raise Unverifiable(f"the outcomes of more than {MAX_CHANGES} changes were found out")

    def _run_close(self, frame: dict[str, Any]) -> None:
        if frame.get("dangling") != sorted(op_id.decode() for op_id in self._pending):
            raise Tampered("the end of the run does not fit what comes before it")
        self._run.closed, self._run.broken = True, _label(frame.get("broken"))

    def end(self) -> None:
        """What the whole of the run tells."""
        run = self._run
        run.counts = Counter({kind.decode(): count for kind, count in self._counts.items()})
        run.pending = {
            op_id.decode(): _change(run, number, op_id, body, "no outcome was recorded")
            for op_id, (number, body) in self._pending.items()
        }
        if run.problem:
            return
        if run.closed and run.torn:
            run.problem = Problem(run.file, run.records + 1, TAMPERED, "something follows the end of the run")
        elif self._known != NO_POINT:
            number, _unused = max([self._known, *self._points])
            missing = f"the end is missing: the log has the hash of record {number}, and {run.records} are here"
            run.problem = Problem(run.file, run.records + 1, TAMPERED, missing)
        elif self._passed not in (0, run.records):
            added = "records were added after the expected head"
            run.problem = Problem(run.file, self._passed + 1, TAMPERED, added)


def _change(run: Run, number: int, op_id: bytes, intent: bytes, reason: str) -> Change:
    with suppress(Tampered):
        frame = _frame(intent)
        plan = frame.get("plan")
        plan = plan if isinstance(plan, dict) else {}
        steps = plan.get("steps")
        steps = steps if isinstance(steps, list) else []
        targets = dict.fromkeys(_label(step.get("target")) for step in steps if isinstance(step, dict))
        told = _label(frame.get("host")), _shown(", ".join(targets)), _label(plan.get("summary"))
        return Change(run.file, number, run.run_id, op_id.decode(), *told, reason)
    return Change(run.file, number, run.run_id, op_id.decode(), "", "", "", reason)


def _identifier(frame: Mapping[str, Any], name: str) -> str:
    value = frame.get(name)
    if not isinstance(value, str) or not IDENTIFIER.fullmatch(value):
        raise Tampered(f"the record has no {name}")
    return value


# The log


@dataclass(slots=True)
class Entry:
    """What the log has of a run: the hashes of some of its records, the last of them, and whether that is the end."""

    number: int
    ledger: str = ""
    over: bool = False
    settled: bool = False
    retired: bool = False
    points: bytearray = field(default_factory=bytearray)

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        return POINT.iter_unpack(self.points)

    @property
    def at(self) -> int:
        return int(POINT.unpack_from(self.points, len(self.points) - POINT.size)[0])

    @property
    def head(self) -> bytes:
        return bytes(self.points[-32:])


@dataclass
class Log(Chain):
    """What the log of a ledger says: of each run, and of the keys that sign."""

    runs: dict[str, Entry] = field(default_factory=dict)
    keys: list[tuple[int, "Succession"]] = field(default_factory=list)
    #: the roots of the tree over the first 0, 1, 2 ... entries, one after the other
    roots: bytearray = field(default_factory=lambda: bytearray(hashlib.sha256().digest()))
    #: the roots of the perfect trees that make up the whole, the largest first
    peaks: list[bytes] = field(default_factory=list)

    def root(self, size: int) -> bytes:
        return bytes(self.roots[32 * size : 32 * size + 32])

    def grow(self, body: bytes) -> None:
        """One more leaf (RFC 6962)."""
        node = hashlib.sha256(b"\0" + body).digest()
        merges = len(self.roots) // 32 - 1
        while merges & 1:
            node = _node(self.peaks.pop(), node)
            merges >>= 1
        self.peaks.append(node)
        for peak in reversed(self.peaks[:-1]):
            node = _node(peak, node)
        self.roots += node


def read_log(source: Source, see: Callable[[dict[str, Any]], None] | None = None) -> Log:
    """Read the log of a ledger, up to the first entry that cannot be right. ``see`` gets each entry until then."""
    log = Log(source.name)

    def take(records: Iterator[_Record]) -> None:
        ledger_id = source.ledger_id
        for kind, _op_id, _status, body, _hash in records:
            if log.ledger_id != ledger_id:
                raise Tampered("the log belongs to another ledger" if ledger_id else "the ledger_id is gone")
            frame = _frame(body)
            if frame.get("peaks") != [_base64(peak) for peak in log.peaks]:
                raise Tampered("its peaks do not fit: an entry before it was altered, removed or added")
            _enter(log, kind, frame)
            log.grow(body)
            if see:
                see(frame)

    _go_through(log, source, LOG, take)
    return log


def _enter(log: Log, kind: bytes, frame: Mapping[str, Any]) -> None:
    if kind == b"key":
        log.keys.append((log.records + 1, Succession(*(str(frame.get(name)) for name in Succession._fields))))
    elif kind in OF_SOME_RUN:
        _enter_run(log, kind, frame)
    elif kind not in OF_THE_LOG:
        raise Tampered(f"an entry of type {kind.decode()} cannot stand here")


def _enter_run(log: Log, kind: bytes, frame: Mapping[str, Any]) -> None:
    run_id, at, head = _identifier(frame, "run"), frame.get("at"), frame.get("head")
    if not isinstance(at, int) or not 0 < at < 1 << 53 or not isinstance(head, str) or not HASH.fullmatch(head):
        raise Tampered("the entry does not say which record of the run it is about")
    entry = log.runs.get(run_id)
    if (entry is None) != (kind in BEGINS_A_RUN):
        raise Tampered("the run was begun before" if entry else "the run was never begun")
    if entry is None:
        ledger = _identifier(frame, "ledger") if kind == b"adopted" else ""
        entry = log.runs[run_id] = Entry(log.records + 1, ledger)
    elif entry.over and kind in (b"close", b"checkpoint") and not entry.settled:
        raise Tampered("the run was over before")
    elif at < entry.at or (at == entry.at and head != entry.head.hex()):
        raise Tampered("the entry contradicts what the log had of the run")
    # one that somebody took for dead may go on
    went_on = entry.settled and kind in (b"close", b"checkpoint")
    entry.over = kind in ENDS_A_RUN or (entry.over and not went_on)
    entry.settled = kind == b"settled" or (entry.settled and not went_on)
    entry.retired |= kind == b"retired"
    if not entry.points or at != entry.at:
        entry.points += POINT.pack(at, bytes.fromhex(head))


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()


# Checkpoints


class Note(NamedTuple):
    """A checkpoint: what the log of a ledger was, and who signed that."""

    ledger_id: str
    size: int
    root: bytes
    signatures: tuple[tuple[str, bytes], ...] = ()

    @property
    def signed(self) -> bytes:
        return f"{ORIGIN}{self.ledger_id}\n{self.size}\n{_base64(self.root)}\n".encode()

    @property
    def text(self) -> str:
        lines = [f"— {name} {_base64(blob)}\n" for name, blob in self.signatures]
        return f"{self.signed.decode()}\n{''.join(lines)}"


def _note(text: str) -> Note | None:
    """The checkpoint of a text that is nothing else."""
    found = NOTE.fullmatch(text)
    return _noted(found, SIGNATURE.findall(found[4] or "")) if found else None


def _is_begun(text: str) -> bool:
    return ORIGIN.startswith(text) or BEGUN.fullmatch(text) is not None


def notes(blocks: Iterable[str]) -> Iterator[Note]:
    """The checkpoints in any text, such as the log of a job. It may come in blocks."""
    text = ""
    for block in chain(blocks, [""]):
        text += block
        done = 0
        for found in ANYWHERE.finditer(text):
            # one that ends near the end of a block may go on in the next
            if block and found.end() > len(text) - LONGEST_NOTE:
                break
            if note := _noted(found, SIGNED_ANYWHERE.findall(found[4])):
                yield note
            done = found.end()
        text = text[max(done, len(text) - 2 * LONGEST_NOTE) :]


def _noted(found: re.Match[str], signatures: Iterable[tuple[str, str]]) -> Note | None:
    with suppress(ValueError):
        signed = tuple((name, _bytes(blob)) for name, blob in signatures)
        return Note(found[1], int(found[2]), _bytes(found[3]), signed)
    return None


def notes_in_file(path: str) -> str:
    """The checkpoints of a text file, however large."""
    with open(path, encoding="utf-8", errors="replace") as file:
        return "".join(dict.fromkeys(note.text for note in notes(iter(lambda: file.read(BLOCK), ""))))


def _notes_of(text: str) -> list[Note]:
    found = list(notes([text]))
    if not found:
        raise Unverifiable("there is no checkpoint in what was given as one")
    return found


class Succession(NamedTuple):
    """By which the owner of a key hands over to another one, as an entry of the log has it."""

    vkey: str
    replaces: str
    endorsement: str


class Keys:
    """The public keys that must have signed, and those that took over from them."""

    def __init__(self, vkeys: Iterable[str]) -> None:
        self.given = list(vkeys)
        #: by name and id, as signatures have them: the key, and up to which size of the log it may sign
        self._trusted = {_key_of(vkey): (vkey, MAX_SIZE) for vkey in self.given}
        self.spoilt: set[str] = set()
        self.signed = 0

    def follow(self, ledger_id: str, entries: Iterable[tuple[int, Succession]]) -> None:
        """Trust the keys to which trusted ones handed over. Anybody may enter a key: without the signature of the one
        that it replaces that means nothing."""
        for number, (vkey, replaces, endorsement) in entries if self.given else ():
            with suppress(Unverifiable, ValueError):
                old, new, blob = _key_of(replaces), _key_of(vkey), _bytes(endorsement)
                text = f"{ORIGIN}{ledger_id}\nsuccessor\n{vkey}\n"
                in_office = self._trusted.get(old) == (replaces, MAX_SIZE)
                if in_office and blob[:4] == old[1] and _is_signed(replaces, text.encode(), blob[4:]):
                    self._trusted |= {old: (replaces, number), new: (vkey, MAX_SIZE)}

    def check(self, note: Note) -> None:
        """Whose signatures are on a checkpoint that agrees with the log?"""
        for name, blob in note.signatures:
            vkey, until = self._trusted.get((name, blob[:4]), ("", 0))
            if note.size <= until:
                if _is_signed(vkey, note.signed, blob[4:]):
                    self.signed = max(self.signed, note.size)
                else:
                    self.spoilt.add(vkey)


def key_or_file(text: str) -> str:
    """A public key, or that of a file."""
    if VKEY.fullmatch(text):
        return text
    with open(text, encoding="utf-8", errors="replace") as file:
        return file.read(1000).strip()


def _key_of(vkey: str) -> tuple[str, bytes]:
    """The name and the id of a key, as signatures have them."""
    with suppress(ValueError):
        if found := VKEY.fullmatch(vkey):
            name, public = found[1], _bytes(found[3])
            key_id = hashlib.sha256(name.encode() + b"\n" + public).digest()[:4]
            if len(public) == 33 and public[:1] == ED25519 and key_id.hex() == found[2]:
                return name, key_id
    raise Unverifiable(f"this is not the public key of a ledger: {_shown(vkey)!r}")


def _is_signed(vkey: str, text: bytes, signature: bytes) -> bool:
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    except ImportError as error:
        raise Unverifiable("signatures cannot be checked without the Python package cryptography") from error
    public = _bytes(vkey.split("+", 2)[2])[len(ED25519) :]
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, text)
    except InvalidSignature:
        return False
    return True


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _bytes(text: str) -> bytes:
    """Of base64, of which only the one right form counts."""
    data = base64.b64decode(text, validate=True)
    if _base64(data) != text:
        raise ValueError("this is not base64")
    return data


# Where ledgers are


class Directory:
    """A ledger in files."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(os.path.realpath(path))
        self.name = str(self.path)
        self._files: dict[str, list[tuple[str, int, Path]]] = {}

    @property
    def ledger_id(self) -> str | None:
        with suppress(FileNotFoundError), _opened(self.path / "ledger_id") as file:
            return file.read(64).decode("ascii", "replace").strip()
        return ""

    def runs(self) -> list[str]:
        if not any((self.path / name).exists() for name in ("ledger_id", "log.jsonl", "runs")):
            raise Unverifiable("this directory is not a ledger: it has no runs/")
        self._scan()
        by_second = groupby(sorted(self._files, key=self.began), key=self.began)
        return [run_id for _began, runs in by_second for run_id in sorted(runs, key=self._time)]

    def began(self, run_id: str) -> str:
        return self._segments(run_id)[0][0]

    def where(self, run_id: str) -> str:
        return str(self._log if run_id == LOG else self._segments(run_id)[0][2])

    def lines(self, run_id: str) -> Iterator[bytes]:
        if run_id == LOG:
            return _joined(self._log) if os.path.lexists(self._log) else iter(())
        files = self._segments(run_id)
        if [(began, number) for began, number, _path in files] != [(files[0][0], n + 1) for n in range(len(files))]:
            raise Tampered("a file of this run is missing, or there is another one of the same run")
        return _joined(files[0][2])

    def checkpoints(self) -> Iterator[str]:
        with suppress(FileNotFoundError), _opened(self.path / "checkpoints") as file:
            note = ""
            while line := file.readline(LONGEST_NOTE).decode("utf-8", "replace"):
                if line.startswith(ORIGIN) or len(note) > LONGEST_NOTE:
                    yield from [note] if note else []
                    note = ""
                note += line
            yield from [note] if note else []

    def strangers(self) -> list[str]:
        return [str(path) for path in self._entries() if not RUN_FILE.fullmatch(path.name)]

    @property
    def _log(self) -> Path:
        return self.path / "log.jsonl"

    def _entries(self) -> list[Path]:
        with suppress(FileNotFoundError):
            return sorted((self.path / "runs").iterdir())
        return []

    def _scan(self) -> None:
        """The files of each run by its beginning and their number."""
        self._files = {}
        for path in self._entries():
            if match := RUN_FILE.fullmatch(path.name):
                self._files.setdefault(match[2], []).append((match[1], int(match[3] or 1), path))
        for files in self._files.values():
            files.sort()

    def _segments(self, run_id: str) -> list[tuple[str, int, Path]]:
        if run_id not in self._files:
            self._scan()
        if run_id not in self._files:
            raise Unverifiable(f"there is no run {_shown(run_id)}")
        return self._files[run_id]

    def _time(self, run_id: str) -> bytes:
        """Of runs that began in the same second, the time in their first record tells which was earlier."""
        with suppress(OSError, Unverifiable), _opened(self._segments(run_id)[0][2]) as file:
            return found[1] if (found := TIME.search(file.readline(512))) else b""
        return b""


class OneRun:
    """The file of one run, with its later segments beside it."""

    ledger_id = None

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(os.path.realpath(path))
        self.name = str(self.path)
        self._named = RUN_FILE.fullmatch(self.path.name)

    def runs(self) -> list[str]:
        if self._named and self._named[3]:
            raise Unverifiable("this is a later part of a run; name its first file")
        return [self._named[2] if self._named else self._run_id()]

    def began(self, run_id: str) -> str:
        return self._named[1] if self._named else ""

    def where(self, run_id: str) -> str:
        return self.name

    def lines(self, run_id: str) -> Iterator[bytes]:
        return _joined(self.path)

    def checkpoints(self) -> Iterator[str]:
        return iter(())

    def strangers(self) -> list[str]:
        return []

    def _run_id(self) -> str:
        """Of a file that somebody gave another name."""
        with _opened(self.path) as file:
            found = RUN_ID.search(file.readline(512))
        return found[1].decode() if found else ""


def source(path: str | os.PathLike[str]) -> Source:
    """The ledger of a directory, or the one run of a file."""
    if not os.path.lexists(path):
        raise Unverifiable("there is nothing")
    return Directory(path) if os.path.isdir(path) else OneRun(path)


def _joined(first: Path) -> Iterator[bytes]:
    """The lines of a file and of those in which it goes on: x.jsonl, x.2.jsonl, x.3.jsonl ..."""
    path, number = first, 1
    while number == 1 or os.path.lexists(path):
        with _opened(path) as file:
            while line := file.readline(MAX_LINE + 1):
                yield line
        number += 1
        path = first.with_name(f"{first.stem}.{number}.jsonl")


def _opened(path: Path) -> BinaryIO:
    """Open a file and nothing else: no link, and no pipe that never answers."""
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise Unverifiable("this is not a file")
    return open(fd, "rb", BLOCK)


# For people


def _label(value: object) -> str:
    return _shown(value) if isinstance(value, str) else ""


def _shown(text: str) -> str:
    """A ledger that somebody else wrote must not steer the terminal of its reader."""
    return "".join(letter if letter.isprintable() else "?" for letter in text[:200])


def describe(report: Report) -> Iterator[str]:
    """The report in lines for people."""
    yield f"{report.verdict}: runs {report.runs}, records {report.records}"
    for problem in report.problems:
        record = f"record {problem.record}: " if problem.record else ""
        yield f"{problem.verdict}: {_shown(problem.file)}: {record}{problem.reason}"
    for change in report.dangling:
        yield (
            f"outcome unknown: {_shown(change.file)}: record {change.record}: operation {change.op_id} of {change.host}"
            f" on {change.target}: {change.summary or 'no summary'} ({change.reason})"
        )
    if report.entries:
        told = {"signed up to entry": report.signed, "runs retired": report.retired, "runs settled": report.settled}
        more = "".join(f", {what} {number}" for what, number in told.items() if number)
        yield f"log: entries {report.entries}, root {report.root}, checkpoints {report.checkpoints}{more}"


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> Any:
        self.exit(EXIT_STATUS[UNVERIFIABLE], f"{self.prog}: {message}\n")


def _arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = _Parser(
        description="Verify a ledger of steward.proxmox.",
        epilog="Exit status: " + ", ".join(f"{status} {verdict}" for verdict, status in EXIT_STATUS.items()),
    )
    parser.add_argument("path", help="the directory of a ledger, or the file of one run")
    for name, form, what in (
        ("--expected-head", "[RUN_ID=]HEAD", "what the run ended with when its job printed it"),
        ("--checkpoint", "FILE", "any text with a checkpoint in it, such as the log of a job"),
        ("--public-key", "KEY", "who must have signed the checkpoints: the key, or a file that holds it"),
    ):
        parser.add_argument(name, action="append", default=[], metavar=form, help=f"{what}; may be repeated")
    parser.add_argument("--partial", action="store_true", help="only some of the runs were taken out into this place")
    parser.add_argument("--strict", action="store_true", help="parse all of every record, too: slower")
    parser.add_argument("--json", action="store_true", help="print the whole report as JSON")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    options = _arguments(arguments)
    heads = [head.rpartition("=") for head in options.expected_head]
    try:
        report = verify(
            source(options.path),
            {run_id: head for run_id, equals, head in heads},
            checkpoints=map(notes_in_file, options.checkpoint),
            public_keys=map(key_or_file, options.public_key),
            partial=options.partial,
            strict=options.strict,
        )
    except (OSError, Unverifiable) as error:
        report = Report()
        report.blame(Problem(options.path, 0, UNVERIFIABLE, str(error)))
    print(json.dumps(asdict(report), indent=2) if options.json else "\n".join(describe(report)))
    return report.exit_status


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Exception as error:  # noqa: BLE001 - Python's own exit status for a crash is 1: it would read as "tampered"
        print(f"cannot verify: {error!r}", file=sys.stderr)
        sys.exit(EXIT_STATUS[UNVERIFIABLE])
