# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verify a ledger: ``python3 verify.py PATH [--expected-head HEAD] [--json]``.

This file needs nothing but Python's standard library and knows nothing of the code that writes ledgers, so that an
auditor can read it, copy it, and run it anywhere. It streams: its memory does not grow with the length of a run.

Exit status: 0 intact, 1 tampered, 2 incomplete (an open run, or a change with an unknown outcome), 3 cannot verify.
"""

import argparse
import hashlib
import json
import os
import re
import stat
import sys
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

VERSION = 1
MAX_JSON = 1 << 20
MAX_LINE = 64 + 1 + MAX_JSON + 1
MAX_PENDING = 10_000
MAX_LISTED = 1000
TYPES = ("run_open", "plan", "intent", "outcome", "refused", "note", "run_close")
RECORD = re.compile(rb"([0-9a-f]{64}) (.*)\n", re.DOTALL)
RUN_FILE = re.compile(r"\d{8}T\d{6}Z-([0-9a-f]{32})\.jsonl")
IDENTIFIER = re.compile(r"[0-9A-Za-z._-]{1,64}")
HEAD = re.compile(r"(?:sha256:)?([0-9a-f]{64})")

INTACT, TAMPERED, INCOMPLETE, UNVERIFIABLE = "intact", "tampered", "incomplete", "unverifiable"
EXIT_STATUS = {INTACT: 0, TAMPERED: 1, INCOMPLETE: 2, UNVERIFIABLE: 3}
WORST_FIRST = (TAMPERED, UNVERIFIABLE, INCOMPLETE)


class Tampered(Exception):
    """The next record cannot be what was written."""


class Unverifiable(Exception):
    """Nothing can be said about this file."""


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
class Run:
    """What the records of one run say."""

    file: str
    run_id: str = ""
    ledger_id: str = ""
    head: str = ""
    records: int = 0
    closed: bool = False
    broken: str = ""
    torn: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    pending: dict[str, Change] = field(default_factory=dict)
    unknown: list[Change] = field(default_factory=list)
    problem: Problem | None = None


@dataclass
class Report:
    verdict: str = INTACT
    exit_status: int = 0
    runs: int = 0
    records: int = 0
    heads: dict[str, str] = field(default_factory=dict)
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


def verify(
    path: str | os.PathLike[str],
    expected_head: str | Mapping[str, str] | None = None,
    running: Collection[str] = (),
) -> Report:
    """Verify one run's file, or a whole ledger.

    ``expected_head`` is what a job printed: the head of some run found here, or a mapping of run ids to heads.
    The runs named in ``running`` are allowed to be still open.
    """
    report = Report()
    try:
        expected = _expected(expected_head)
        files, ledger_id = _files(Path(os.path.realpath(path)))
    except (OSError, Unverifiable) as error:
        report.blame(Problem(str(path), 0, UNVERIFIABLE, str(error)))
        return report
    for file in files:
        run = read(file, expected.get("") or expected.get(_run_id_of(file), ""))
        if run.problem is None and ledger_id is not None:
            run.problem = _misplaced(run, ledger_id)
        _add(report, run, running)
    for reason in list(_missing_heads(report, expected)):
        report.blame(Problem(str(path), 0, TAMPERED, reason))
    return report


def read(
    path: str | os.PathLike[str], expected_head: str = "", see: Callable[[dict[str, Any]], None] | None = None
) -> Run:
    """Read one run's file, up to the first record that cannot be right. ``see`` gets each record until then."""
    run = Run(str(path))
    passed = 0
    try:
        for line in _lines(path):
            frame = _take(run, line)
            if frame and see:
                see(frame)
            passed = run.records if run.head == expected_head else passed
        if expected_head and passed and passed != run.records:
            run.problem = Problem(run.file, passed + 1, TAMPERED, "records were added after the expected head")
    except Tampered as error:
        run.problem = Problem(run.file, run.records + 1, TAMPERED, str(error))
    except (OSError, Unverifiable) as error:
        run.problem = Problem(run.file, run.records + 1, UNVERIFIABLE, str(error))
    return run


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


def _files(path: Path) -> tuple[list[Path], str | None]:
    """The files to read, and the ledger's id unless it is only one file."""
    if not path.exists():
        raise Unverifiable("there is nothing")
    if not path.is_dir():
        return [path], None
    runs = path / "runs"
    if not runs.is_dir():
        raise Unverifiable("this directory is not a ledger: it has no runs/")
    files = sorted(runs.iterdir())
    if not files:
        raise Unverifiable("the ledger has no runs")
    return files, (path / "ledger_id").read_text("ascii", "replace").strip()


def _run_id_of(path: str | os.PathLike[str]) -> str:
    match = RUN_FILE.fullmatch(Path(path).name)
    return match[1] if match else ""


def _misplaced(run: Run, ledger_id: str) -> Problem | None:
    """Whether a file in a ledger's directory is not one of its runs."""
    run_id = _run_id_of(run.file)
    if not run_id:
        return Problem(run.file, 0, UNVERIFIABLE, "this is not a run's file")
    if run.records and run.run_id != run_id:
        return Problem(run.file, 1, TAMPERED, "the file has the name of another run")
    if run.records and run.ledger_id != ledger_id:
        return Problem(run.file, 1, TAMPERED, "the run belongs to another ledger")
    return None


def _missing_heads(report: Report, expected: Mapping[str, str]) -> Iterator[str]:
    """An edit whose chain was computed anew is consistent in itself: only the head that was kept elsewhere tells."""
    consistent = report.verdict in (INTACT, INCOMPLETE)
    why = "; the chain is consistent: only the head caught it" if consistent else ""
    for run_id, head in expected.items():
        if run_id and run_id not in report.heads:
            yield f"the run {_shown(run_id)} is missing"
        elif run_id and report.heads[run_id] != head:
            yield f"the run {run_id} does not end with the expected head{why}"
        elif not run_id and head not in report.heads.values():
            yield f"no run ends with the expected head{why}"


def _lines(path: str | os.PathLike[str]) -> Iterator[bytes]:
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(fd, "rb") as file:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise Unverifiable("this is not a file")
        while line := file.readline(MAX_LINE + 1):
            if len(line) > MAX_LINE:
                raise Tampered("the line is longer than a record can be")
            yield line


def _take(run: Run, line: bytes) -> dict[str, Any] | None:
    if run.closed:
        raise Tampered("something follows the end of the run")
    if not line.endswith(b"\n"):
        run.torn = len(line)
        return None
    match = RECORD.fullmatch(line)
    if not match:
        raise Tampered("the line is not a record")
    frame = _frame(match[2])
    if not run.records:
        _begin(run, frame)
    _check_chain(run, frame, match[1].decode(), match[2])
    _check_place(run, frame)
    _account(run, frame)
    run.head = match[1].decode()
    run.records += 1
    return frame


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


def _begin(run: Run, frame: dict[str, Any]) -> None:
    run.run_id, run.ledger_id = _identifier(frame, "run_id"), _identifier(frame, "ledger_id")
    run.head = hashlib.sha256((run.run_id + run.ledger_id).encode()).hexdigest()


def _check_chain(run: Run, frame: dict[str, Any], stored: str, body: bytes) -> None:
    """The hash covers the hash before it and the bytes of this record."""
    if hashlib.sha256(b"\0" + bytes.fromhex(run.head) + body).hexdigest() == stored:
        return
    seq, place = frame.get("seq"), run.records + 1
    if isinstance(seq, int) and seq != place:
        raise Tampered(f"this is where record {place} was, and it says it is record {seq}: removed, inserted or moved")
    raise Tampered("its hash does not fit: this record, or the hash of the one before it, was altered")


def _check_place(run: Run, frame: dict[str, Any]) -> None:
    if isinstance(frame.get("v"), int) and frame["v"] > VERSION:
        raise Unverifiable(f"written in format {frame['v']}; this verifier knows format {VERSION}")
    if frame.get("v") != VERSION or frame.get("seq") != run.records + 1 or not isinstance(frame.get("ts"), str):
        raise Tampered("the record does not have the fields of its place")
    if (frame.get("run_id"), frame.get("ledger_id")) != (run.run_id, run.ledger_id):
        raise Tampered("the record belongs to another run")
    if frame.get("type") not in TYPES or (frame["type"] == "run_open") != (run.records == 0):
        raise Tampered(f"a record of type {_label(frame.get('type'))} cannot stand here")


def _account(run: Run, frame: dict[str, Any]) -> None:
    """Pair intents with outcomes, and count."""
    kind = frame["type"]
    if kind == "intent":
        change = _change(run, frame)
        if change.op_id in run.pending:
            raise Tampered("the same operation is intended twice")
        if len(run.pending) >= MAX_PENDING:
            raise Unverifiable(f"more than {MAX_PENDING} changes without an outcome")
        run.pending[change.op_id] = change
    elif kind == "outcome":
        _settle(run, frame)
    elif kind == "run_close":
        if frame.get("head") != run.head or frame.get("dangling") != sorted(run.pending):
            raise Tampered("the end of the run does not fit what comes before it")
        run.closed, run.broken = True, _label(frame.get("broken"))
    run.counts[f"outcome_{frame['status']}" if kind == "outcome" else kind] += 1


def _settle(run: Run, frame: dict[str, Any]) -> None:
    change = run.pending.pop(_identifier(frame, "op_id"), None)
    if change is None:
        raise Tampered("an outcome without its intent")
    if frame.get("status") not in ("ok", "failed", "unknown"):
        raise Tampered("an outcome without a status")
    if frame["status"] == "unknown" and len(run.unknown) < MAX_LISTED:
        change.reason = "recorded as unknown"
        run.unknown.append(change)


def _change(run: Run, frame: dict[str, Any]) -> Change:
    plan = frame.get("plan")
    plan = plan if isinstance(plan, dict) else {}
    steps = plan.get("steps")
    steps = steps if isinstance(steps, list) else []
    targets = dict.fromkeys(_label(step.get("target")) for step in steps if isinstance(step, dict))
    return Change(
        file=run.file,
        record=run.records + 1,
        run_id=run.run_id,
        op_id=_identifier(frame, "op_id"),
        host=_label(frame.get("host")),
        target=_shown(", ".join(targets)),
        summary=_label(plan.get("summary")),
        reason="no outcome was recorded",
    )


def _identifier(frame: dict[str, Any], name: str) -> str:
    value = frame.get(name)
    if not isinstance(value, str) or not IDENTIFIER.fullmatch(value):
        raise Tampered(f"the record has no {name}")
    return value


def _add(report: Report, run: Run, running: Collection[str]) -> None:
    report.runs += 1
    report.records += run.records
    if run.problem:
        report.blame(run.problem)
    if run.run_id and not (run.problem and run.problem.verdict == UNVERIFIABLE):
        report.heads[run.run_id] = run.head
    if run.problem or (run.run_id in running and not run.torn):
        return
    if not run.closed:
        torn = f"; its last {run.torn} bytes are no whole record" if run.torn else ""
        report.blame(Problem(run.file, run.records, INCOMPLETE, f"the run was not closed{torn}"))
    if run.broken:
        report.blame(Problem(run.file, run.records, INCOMPLETE, f"recording failed in this run: {run.broken}"))
    for change in [*run.unknown, *run.pending.values()]:
        report.judge(INCOMPLETE)
        if len(report.dangling) < MAX_LISTED:
            report.dangling.append(change)


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


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> Any:
        self.exit(EXIT_STATUS[UNVERIFIABLE], f"{self.prog}: {message}\n")


def _arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = _Parser(
        description="Verify a ledger of steward.proxmox.",
        epilog="Exit status: " + ", ".join(f"{status} {verdict}" for verdict, status in EXIT_STATUS.items()),
    )
    parser.add_argument("path", help="the file of one run, or the directory of a ledger")
    parser.add_argument("--expected-head", action="append", default=[], metavar="[RUN_ID=]HEAD", help="may be repeated")
    parser.add_argument("--json", action="store_true", help="print the whole report as JSON")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    options = _arguments(arguments)
    heads = [head.rpartition("=") for head in options.expected_head]
    report = verify(options.path, {run_id: head for run_id, equals, head in heads})
    if options.json:
        print(json.dumps(asdict(report), indent=2))
    else:
        print("\n".join(describe(report)))
    return report.exit_status


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Exception as error:  # noqa: BLE001 - Python's own exit status for a crash is 1: it would read as "tampered"
        print(f"cannot verify: {error!r}", file=sys.stderr)
        sys.exit(EXIT_STATUS[UNVERIFIABLE])
