# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Replays recordings of the real API against the lab and tells where the lab answers differently."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import requests

from tests.lab import Lab
from tests.lab.state import Guest, Volume

# What differs from run to run and is compared as a kind of thing.
VOLATILE = (
    (r"UPID:[^\"'\s]+", "<UPID>"),
    (r"\d{4}_\d\d_\d\d-\d\d_\d\d_\d\d", "<date>"),
    (r"(?i)\b[0-9a-f]{2}(:[0-9a-f]{2}){5}\b", "<MAC>"),
    (r"\b[0-9a-f]{40}\b", "<digest>"),
    (r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "<uuid>"),
)


CHOSEN_ID = re.compile(r"[0-9a-f]{40}|[0-9a-f-]{36}")


@dataclass
class Recording:
    """One exchange with the real API."""

    number: int
    label: str
    who: str | None
    method: str
    path: str
    params: dict[str, Any]
    status: int
    reason: str
    body: Any

    @property
    def upid(self) -> str | None:
        data = self.body.get("data") if isinstance(self.body, dict) else None
        return data if isinstance(data, str) and data.startswith("UPID:") else None

    @property
    def task(self) -> str | None:
        """The UPID in the path, if the recording reads a task."""
        match = re.search(r"/tasks/(UPID:[^/]+)/", self.path)
        return match[1] if match else None


def load(file: Path) -> list[Recording]:
    found = []
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines()):
        raw = json.loads(line)
        body = json.loads(raw["body"]) if raw["body"] else None
        found.append(
            Recording(
                number,
                raw["label"],
                raw["as"],
                raw["method"],
                raw["path"],
                raw["params"],
                raw["status"],
                raw["reason"],
                body,
            )
        )
    return found


@dataclass
class Difference:
    recording: Recording
    what: str


@dataclass
class Outcome:
    agreed: list[Recording] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)
    not_served: list[Recording] = field(default_factory=list)

    @property
    def served(self) -> int:
        return len(self.agreed) + len(self.differences)


def still(text: str) -> str:
    for pattern, name in VOLATILE:
        text = re.sub(pattern, name, text)
    return text


def shape(value: Any) -> Any:
    """Keys and JSON types; of a list the different shapes of its entries."""
    if isinstance(value, dict):
        return {key: shape(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return sorted({json.dumps(shape(entry), sort_keys=True) for entry in value})
    if isinstance(value, bool) or value is None:
        return str(value)
    return "number" if isinstance(value, int | float) else "string"


def compare(recording: Recording, status: int, reason: str, body: Any) -> str | None:
    """What differs first, or nothing."""
    if (status, still(reason)) != (recording.status, still(recording.reason)):
        return f"status: {recording.status} {recording.reason} -> {status} {reason}"
    if not isinstance(recording.body, dict) or not isinstance(body, dict):
        return None if recording.body == body else f"body: {recording.body!r} -> {body!r}"
    for key in ("message", "errors"):
        want, got = recording.body.get(key), body.get(key)
        if still(json.dumps(want, sort_keys=True)) != still(json.dumps(got, sort_keys=True)):
            return f"{key}: {want!r} -> {got!r}"
    want, got = recording.body.get("data"), body.get("data")
    if shape(want) != shape(got):
        return f"shape of data: {explain(shape(want), shape(got))}"
    return _compare_task(recording, want, got)


def _compare_task(recording: Recording, want: Any, got: Any) -> str | None:
    """How a task ended is more than a shape."""
    if recording.task and recording.path.endswith("/status") and isinstance(want, dict):
        pair = still(str(want.get("exitstatus"))), still(str(got.get("exitstatus")))
        return None if pair[0] == pair[1] else f"exitstatus: {pair[0]} -> {pair[1]}"
    if recording.task and recording.path.endswith("/log"):
        pair = still(want[-1]["t"]), still(got[-1]["t"])
        return None if pair[0] == pair[1] else f"last line: {pair[0]} -> {pair[1]}"
    return None


def explain(want: Any, got: Any) -> str:
    if isinstance(want, dict) and isinstance(got, dict):
        parts = [f"-{key}" for key in sorted(want.keys() - got.keys())]
        parts += [f"+{key}" for key in sorted(got.keys() - want.keys())]
        parts += [
            f"{key}: {explain(want[key], got[key])}"
            for key in sorted(want.keys() & got.keys())
            if want[key] != got[key]
        ]
        return ", ".join(parts)
    if isinstance(want, list) and isinstance(got, list):
        missing, more = [e for e in want if e not in got], [e for e in got if e not in want]
        if len(missing) == len(more) == 1:
            return f"[{explain(json.loads(missing[0]), json.loads(more[0]))}]"
        return f"missing {missing}, more {more}"
    return f"{want} -> {got}"


class Machine:
    """What is known of the machine that was recorded, beside the recordings."""

    def __init__(self, described: dict[str, Any]) -> None:
        self.seed: dict[str, Any] = described["seed"]
        self.failures = [re.compile(pattern) for pattern in described["machine_failures"]]
        self.by_hand: list[dict[str, Any]] = described["by_hand"]

    def failed(self, end: str) -> bool:
        return any(pattern.search(end) for pattern in self.failures)

    def work_before(self, recording: Recording) -> Iterator[dict[str, Any]]:
        for work in list(self.by_hand):
            label = work["label"]
            fits = recording.label.startswith(label[:-1]) if label.endswith("*") else recording.label == label
            if fits and work.get("status") in (None, recording.status):
                yield work
                if work.get("once"):
                    self.by_hand.remove(work)


@dataclass
class RoundTrip:
    """What was PUT into the configuration of a stopped guest, and what GET gave afterwards."""

    entries: list[dict[str, Any]]
    guests = {
        "qemu": (500, {"vmid": 500, "name": "rt", "memory": 512}),
        "lxc": (
            510,
            {
                "vmid": 510,
                "hostname": "rt",
                "rootfs": "local:1",
                "ostemplate": "local:vztmpl/alpine-3.20-default_20240606_amd64.tar.gz",
            },
        ),
    }

    machine_failures = "EFI base image"  # that machine had no firmware of Proxmox

    def play(self, request: Callable[[str, str, dict[str, Any]], requests.Response], lab: Lab) -> Iterator[str | None]:
        """What differs, entry by entry."""
        lab.state.add(Volume("local:iso/x.iso", "pve1", "iso", "iso", 4096, 0))
        for kind, (_unused, params) in self.guests.items():
            request("POST", f"/nodes/pve1/{kind}", params)
        for entry in self.entries:
            if self.machine_failures in entry["reason"]:
                continue
            path = f"/nodes/pve1/{entry['kind']}/{self.guests[entry['kind']][0]}/config"
            answer = request("PUT", path, entry["put"])
            got = {"status": answer.status_code, "reason": answer.reason, "errors": answer.json().get("errors")}
            if entry["get"] is not None and answer.status_code == 200:
                config = request("GET", path, {}).json()["data"]
                got["get"] = {key: config.get(key) for key in entry["get"]}
            want = {key: entry[key] for key in got}
            same = still(json.dumps(want, sort_keys=True)) == still(json.dumps(got, sort_keys=True))
            yield None if same else f"{entry['kind']} {entry['put']}: {want} -> {got}"


class Replay:
    """Sends recordings to a lab in their order, as the same users, with the lab's own ids."""

    def __init__(
        self, lab: Lab, recordings: list[Recording], machine: Machine, roundtrip: RoundTrip | None = None
    ) -> None:
        self.lab = lab
        self.roundtrip = roundtrip
        self.recordings = recordings
        self.machine = machine
        self.ends = dict(self._task_ends())
        self.foreign_tasks: set[str] = set()
        self.foreign_paths: list[str] = []
        self.names: dict[str, str] = {}  # what was recorded: what the lab calls it
        self.tokens: dict[str, str] = {}
        self.sessions: dict[str, requests.Session] = {}
        self.base = f"https://{lab.host}:{lab.port}/api2/json"

    def run(self) -> Outcome:
        outcome = Outcome()
        for recording in self.recordings:
            for work in self.machine.work_before(recording):
                self._by_hand(work, recording)
            self._make_room(recording)
            self._prepare_failure(recording)
            answer = self._send(recording)
            body = answer.json() if answer.content else None
            self._learn(recording, body)
            if self._not_served(recording, answer):
                outcome.not_served.append(recording)
                continue
            difference = compare(recording, answer.status_code, answer.reason, body)
            if difference:
                outcome.differences.append(Difference(recording, difference))
            else:
                outcome.agreed.append(recording)
        return outcome

    def _not_served(self, recording: Recording, answer: requests.Response) -> bool:
        """The path itself; what a write would have changed that the lab does not serve; the task that it started."""
        if answer.status_code == 501 and "not served by the lab" in answer.reason:
            if recording.upid:
                self.foreign_tasks.add(recording.upid)
            if recording.method != "GET" and recording.status == 200:
                self.foreign_paths.append(re.sub(r"/(upload|download-url)$", "/content", recording.path))
            return True
        written = any(
            recording.path.startswith(path) or path.startswith(f"{recording.path}/") for path in self.foreign_paths
        )
        return recording.task in self.foreign_tasks or written

    def _by_hand(self, work: dict[str, Any], recording: Recording) -> None:
        for name, do in self.hands().items():
            if name in work:
                do(work[name])
        if "fault" in work and ("task_exit" not in work["fault"] or recording.upid not in self.ends):
            self.lab.fault(**work["fault"])
        if "roundtrip" in work and self.roundtrip:
            list(self.roundtrip.play(self.request, self.lab))
        if "request" in work:
            self.request(**work["request"])

    def hands(self) -> dict[str, Callable[[Any], object]]:
        """What can be done to the lab beside its API."""
        state = self.lab.state
        return {
            "back": self._end_outage,
            "running": lambda vmid: setattr(state.guests[vmid], "started", time.time()),
            "unlock": lambda vmid: state.guests[vmid].config.pop("lock", None),
            "firewall": lambda scope: state.firewalls.pop(scope, None),
            "emptied": lambda group: state.firewalls["/cluster"].groups[group].pop("rules", None),
            "zones": state.zones.update,
            "cluster": self._make_cluster,
            "foreign": self._add_foreign,
        }

    def _end_outage(self, _yes: bool) -> None:
        self.lab.state.offline.clear()
        self.lab.state.quorate = True

    def _add_foreign(self, spec: dict[str, Any]) -> None:
        """A guest of a node that never reported."""
        guest = Guest(kind="qemu", **spec)
        self.lab.state.guests[guest.vmid] = guest
        self.lab.state.offline.add(guest.node)

    def request(self, method: str, path: str, params: dict[str, Any]) -> requests.Response:
        return self._send(Recording(-1, "by hand", "root@pam", method, path, params, 0, "", 0))

    def _make_cluster(self, name: str) -> None:
        """Two nodes, no guest of the time before."""
        state = self.lab.state
        state.cluster = name
        state.offline.clear()
        state.nodes["pve2"] = dict(state.nodes["pve1"])
        state.networks["pve2"] = dict(state.networks["pve1"])
        state.guests.clear()
        template = next(volume for volume in state.volumes.values() if volume.content == "vztmpl")
        state.volumes.clear()
        for node in state.nodes:
            state.add(replace(template, node=node))

    def _make_room(self, recording: Recording) -> None:
        """The recorder removed guests by hand before it made others with their number."""
        wanted = str(recording.params.get("newid") or recording.params.get("vmid"))
        new = int(wanted) if wanted.isdigit() else 0
        makes = recording.method == "POST" and re.search(r"/(lxc|qemu|clone)$", recording.path) and recording.upid
        state = self.lab.state
        if makes and new in state.guests and not recording.params.get("force"):
            state.guests.pop(new)
            for task in self.lab.app.tasks.running():
                self.lab.app.tasks.stop(task)
            for place in [place for place, volume in state.volumes.items() if volume.vmid == new]:
                if state.volumes[place].content != "backup":
                    del state.volumes[place]

    def _task_ends(self) -> Iterator[tuple[str, str]]:
        """How each recorded task ended, as far as it was read: the exit status or the whole log."""
        logs: dict[str, str] = {}
        for recording in self.recordings:
            upid = recording.task
            if not upid or not isinstance(recording.body, dict) or recording.status != 200:
                continue
            data = recording.body["data"]
            if isinstance(data, dict):
                yield upid, data.get("exitstatus", "hung: query-savevm")
            elif self.machine.failed(text := " ".join(str(line["t"]) for line in data)):
                logs[upid] = str(data[-1]["t"]).removeprefix("TASK ERROR: ")
                self.machine.failures.append(re.compile(re.escape(upid)))
                assert text
        yield from logs.items()

    def _prepare_failure(self, recording: Recording) -> None:
        """A task that failed because of the recording machine fails in the lab by a fault."""
        upid = recording.upid or ""
        end = self.ends.get(upid)
        if end and end != "OK" and (self.machine.failed(end) or self.machine.failed(upid)):
            self.lab.fault(
                method=recording.method, path=re.escape(recording.path) + "$", task_exit=end, task_keep="savevm" in end
            )

    def _send(self, recording: Recording) -> requests.Response:
        path = "/".join(quote(unquote(part), safe=":!@") for part in self._translate(recording.path).split("/"))
        if "/content/" in recording.path:
            head, _unused, volume = self._translate(recording.path).partition("/content/")
            path = f"{head}/content/{quote(volume, safe=':')}"
        params = {key: self._translate(str(value)) for key, value in recording.params.items()}
        in_query = recording.method in ("GET", "DELETE")
        headers = {"no csrf": {"CSRFPreventionToken": ""}, "bad csrf": {"CSRFPreventionToken": "x"}}
        return self._session(recording).request(
            recording.method,
            self.base + path,
            headers=headers.get(recording.label),
            params=params if in_query else None,
            data=None if in_query else params,
        )

    def _translate(self, text: str) -> str:
        for archive in re.findall(r"vzdump-lxc-\d+-2026_\d\d_\d\d-\d\d_\d\d_\d\d", text):
            if not any(name.startswith(archive) for name in self.names):
                self.names[archive] = self._newest(archive) or archive
        for recorded, own in self.names.items():
            text = text.replace(recorded, own)
        return text

    def _newest(self, archive: str) -> str | None:
        """A backup that was made by hand: the lab's newest of the same guest."""
        stem = archive[: archive.index("2026_")]
        found = [v.name.split("/")[1] for v in self.lab.state.volumes.values() if v.name.startswith(f"backup/{stem}")]
        return max(found).split(".", 1)[0] if found else None

    def _learn(self, recording: Recording, body: Any) -> None:
        """Ids that the lab gave instead of the recorded ones."""
        data = body.get("data") if isinstance(body, dict) else None
        if recording.upid and isinstance(data, str):
            self.names[recording.upid] = data
        if recording.status == 200 and isinstance(body, dict):
            self._learn_fields(recording.body.get("data"), data)
        if isinstance(data, dict) and "full-tokenid" in data:
            self.tokens[data["full-tokenid"]] = data["value"]
        if recording.task and recording.path.endswith("/log") and isinstance(data, list):
            self._learn_archives(recording.body["data"], data)

    def _learn_fields(self, want: Any, got: Any) -> None:
        """Digests, and ids that the server chose."""
        if isinstance(want, list) and isinstance(got, list) and want and got:
            want, got = want[0], got[0]
        if isinstance(want, dict) and isinstance(got, dict):
            for key in ("digest", "id"):
                if CHOSEN_ID.fullmatch(str(want.get(key))) and got.get(key):
                    self.names[want[key]] = str(got[key])

    def _learn_archives(self, want: list[dict[str, Any]], got: list[dict[str, Any]]) -> None:
        pattern = re.compile(r"creating vzdump archive '.*/(vzdump-[^']+)'")
        pairs = zip(_found(pattern, want), _found(pattern, got), strict=False)
        self.names.update(dict(pairs))

    def _session(self, recording: Recording) -> requests.Session:
        who = recording.who or ""
        if who not in self.sessions:
            session = requests.Session()
            session.trust_env = False
            session.verify = self.lab.ca_path
            session.headers.update(self._login(session, who))
            self.sessions[who] = session
        return self.sessions[who]

    def _login(self, session: requests.Session, who: str) -> dict[str, str]:
        if not who:
            return {}
        if "!" in who or "@" not in who:
            user, _unused, token = who.partition("!")
            known = self.lab.state.users.get(user, {}).get("tokens", {}).get(token, {})
            secret = self.tokens.get(who) or known.get("secret", "00000000-0000-0000-0000-000000000000")
            return {"Authorization": f"PVEAPIToken={who}={secret}"}
        password = self.lab.state.users[who]["password"]
        answer = session.post(f"{self.base}/access/ticket", data={"username": who, "password": password})
        session.cookies.set("PVEAuthCookie", quote(answer.json()["data"]["ticket"], safe=""))
        return {"CSRFPreventionToken": answer.json()["data"]["CSRFPreventionToken"]}


def _found(pattern: re.Pattern[str], lines: list[dict[str, Any]]) -> list[str]:
    return [match[1] for line in lines if (match := pattern.search(line["t"]))]
