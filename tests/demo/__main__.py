# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The main job from beginning to end, in a lab: previewed, done, done again, changed by a saved plan and taken back,
verified, tampered with.

    python -m tests.demo          # or: make demo

Every claim that is printed was checked. The exit status is 0 where all of them hold.
"""

import json
import shutil
import signal
import socket
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable
from contextlib import ExitStack
from itertools import zip_longest
from pathlib import Path
from typing import Any

from tests.demo import forger
from tests.demo.site import ROOT, Run, Site

DEMO = Path(__file__).parent / "demo.yml"
CHANGE = Path(__file__).parent / "change.yml"
GOLDEN, COPIES = 9001, {201: "docker1", 202: "docker2", 203: "docker3"}


class Unproven(Exception):
    """A claim does not hold."""


class Demo:
    """The steps, in their order, and what is said about them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.summary: list[tuple[str, float, str]] = []
        self._exit = ExitStack()

    def tell(self) -> None:
        """All steps. What was started is stopped, also when a claim fails or somebody presses Ctrl-C."""
        with self._exit:
            self.site = self._exit.enter_context(Site(self.folder, task_seconds=0.05))
            print(f"A lab that behaves like Proxmox VE listens on https://127.0.0.1:{self.site.lab.port}.")
            print(f"What runs in it: {DEMO.relative_to(ROOT)}, with the roles golden_image and restore.")
            self.step("1  preview", "on an empty cluster, with --check --diff", self.preview)
            self.step("2  for real", "the same playbook", self.carry_out)
            self.step("3  again", "nothing is left to do", self.repeat)
            self.step("4  plan", "a change under a policy, saved, and applied as it was saved", self.plan)
            self.step("5  undo", "what that run did", self.undo)
            self.step("6  verify", "the ledger says what was done", self.verify)
            self.step("7  tamper", "with a copy of the ledger", self.tamper)
            self.step("8  stop", "everything that was started", self.stop)

    def step(self, name: str, headline: str, work: Callable[[], str]) -> None:
        print(f"\n== {name}: {headline}")
        begun = time.monotonic()
        result = work()
        self.summary.append((name, time.monotonic() - begun, result))

    # -- the steps ---------------------------------------------------------------------------------------------------

    def preview(self) -> str:
        self.previewed = run = self.site.play(DEMO, "--check", "--diff", name="1-preview")
        finished(run)
        print(f"\n{textwrap.indent(run.report, '   | ')}\n")
        listed = run.output.count("Not run in check mode: tasks/")
        claim("no task failed", run.failed == 0, run)
        claim("your own tasks are listed, not run", listed == 2 and not self.site.lab.state.commands, run)
        claim("the lab's log has no write request, and there is no guest", not (run.writes or self.guests), run)
        return f"{len(run.frames('plan'))} plans, no write request"

    def carry_out(self) -> str:
        run = self.done = self.site.play(DEMO, name="2-for-real")
        finished(run)
        claim("no task failed", run.failed == 0, run)
        plans, intents = steps(self.previewed.frames("plan")), steps(run.frames("intent"))
        for (text, digest), previewed in zip_longest(intents, plans, fillvalue=("", "none")):
            print(f"        {digest[:19]}  {text}{'' if digest == previewed[1] else f'  NOT {previewed[1][:19]}'}")
        claim(f"all {len(plans)} plans have the digests that were previewed", plans == intents, run)
        outcomes = {frame["status"] for frame in run.frames("outcome")}
        claim("every change ended well", outcomes == {"ok"}, run)
        claim("your own tasks ran in the golden container", len(self.site.lab.state.commands) == 3, run)
        claim("each of the three copies has a name and a MAC address of its own", self.have_identities(), run)
        claim("the copies kept nesting and keyctl, which no token may set", self.have_features(), run)
        return f"{len(intents)} plans carried out, digests as previewed"

    def repeat(self) -> str:
        run = self.repeated = self.site.play(DEMO, name="3-again")
        finished(run)
        claim("changed=0, and no task failed", (run.changed, run.failed) == (0, 0), run)
        claim("the lab's log has no write request", not run.writes, run)
        return "changed=0, no write request"

    def plan(self) -> str:
        guarded, plan = {"STEWARD_POLICY": "guarded"}, str(self.folder / "plan.json")
        preview = self.site.play(CHANGE, "--check", name="4-plan", around=guarded | {"STEWARD_PLAN_JSON": plan})
        finished(preview)
        print(f"\n{textwrap.indent(preview.report, '   | ')}\n")
        docker1, saved = self.guests[201].config, {**guarded, "STEWARD_PLAN": plan}
        before, docker1["memory"] = docker1["memory"], 2048
        print("   Somebody gives docker1 2048 MiB of memory meanwhile.")
        spoiled = self.site.play(CHANGE, name="4-spoiled", around=saved)
        (reason,) = spoiled.frames("refused")[0]["reasons"]
        claim("the saved plan is refused, and nothing was sent", spoiled.failed == 1 and not spoiled.writes, spoiled)
        claim("it says what changed", "memory" in reason and "2048" in reason, spoiled)
        print(textwrap.indent(textwrap.fill(reason, 106), "        | "))
        docker1["memory"] = before
        print("   Without that change, the plan is applied.")
        run = self.applied = self.site.play(CHANGE, name="4-applied", around=saved)
        finished(run)
        planned = steps(json.loads(Path(plan).read_text())["plans"])
        claim("what was done is what was planned", steps(run.frames("intent")) == planned, run)
        claim("docker1 has 4096 MiB, and docker2 is off", self.memory_and_power == (4096, False), run)
        return "refused while something had changed; applied as planned"

    def undo(self) -> str:
        playbook = ROOT / "playbooks" / "undo.yml"
        run = self.site.play(playbook, name="5-undo", around={"STEWARD_POLICY": "guarded"}, run=self.applied.ledger[0])
        finished(run)
        for text, digest in steps(run.frames("intent")):
            print(f"        {digest[:19]}  {text}")
        claim("docker1 has its 1024 MiB again, and docker2 runs", self.memory_and_power == (1024, True), run)
        return "as before, by the record of the run"

    @property
    def memory_and_power(self) -> tuple[int, bool]:
        """The memory of docker1, and whether docker2 runs."""
        return int(self.guests[201].config["memory"]), self.guests[202].running

    def verify(self) -> str:
        self.heads = {run.ledger[0]: run.ledger[1] for run in (self.previewed, self.done, self.repeated, self.applied)}
        for run_id, head in self.heads.items():
            print(f"   a job printed: run {run_id[:8]}... head {head[:16]}...")
        playbook = ROOT / "playbooks" / "verify_ledger.yml"
        played = self.site.play(
            playbook, name="6-verify-playbook", ledger_path=str(self.site.ledger), expected_head=self.heads
        )
        finished(played)
        claim(
            "playbooks/verify_ledger.yml finds it intact, ending with these heads",
            played.failed == 0,
            played,
        )
        alone = self.site.verify(self.site.ledger, self.heads, "6-verify")
        claim("so does the verifier alone, which needs nothing but Python", alone.status == 0, alone)
        quote(alone)
        return self.prove()

    def prove(self) -> str:
        """The change of one guest, for somebody who has the public key and nothing of the ledger."""
        proof = self.folder / "proof.json"
        op = next(intent["op_id"] for intent in self.applied.frames("intent"))
        made = self.site.play(
            DEMO.with_name("prove.yml"), name="6-prove", ledger_path=str(self.site.ledger), op=op, proof=str(proof)
        )
        finished(made)
        verified = self.site.prove(proof, "6-verify-proof")
        claim("the proof of that change holds, by the public key alone", verified.status == 0, verified)
        quote(verified)
        return "intact, and one change of it proven"

    def tamper(self) -> str:
        file = self.done.ledger[2].name
        copy = forger.copy(self.site.ledger, self.folder / "one-byte")
        record = forger.edit(copy, file, b"docker1", b"docker9")
        print(f"   One byte of record {record} is altered: docker1 becomes docker9.")
        run = self.site.verify(copy, {}, "7-one-byte")
        claim("it is caught, and where", run.status == 1 and f"record {record}:" in run.output, run)
        quote(run)

        copy = forger.copy(self.site.ledger, self.folder / "removed")
        (copy / "runs" / file).unlink()
        print("   In another copy the whole run is removed.")
        run = self.site.verify(copy, {}, "7-removed")
        claim("the log of the ledger has a hole", run.status == 1 and "is missing" in run.output, run)
        quote(run)

        copy = forger.copy(self.site.ledger, self.folder / "forged")
        forger.edit(copy, file, b'"user":"alice"', b'"user":"mallory"')
        forger.recompute(copy, file)
        print("   In a third one alice becomes mallory, and every hash of the run is computed anew.")
        run = self.site.verify(copy, {}, "7-forged")
        claim("the log of the ledger knows better", run.status == 1, run)
        quote(run)

        forger.enter_anew(copy)
        print("   Now the log is computed anew, too, and the checkpoints are thrown away.")
        run = self.site.verify(copy, {}, "7-forged-log")
        claim("nothing inside can tell: whoever can write the ledger can do this", run.status == 0, run)
        quote(run)
        run = self.site.verify(copy, {}, "7-forged-with-output", "--checkpoint", str(self.done.log))
        claim("the checkpoint in the output of that job catches it", run.status == 1, run)
        quote(run)
        run = self.site.verify(copy, {}, "7-forged-with-key", "--public-key", self.site.public_key)
        claim("so does the public key: there is nothing left that it signed", run.status != 0, run)
        quote(run)
        print("   So keep the output of the jobs where whoever runs Ansible cannot change it (docs/ledger.md).")
        return f"one byte caught in record {record}; a removed run by the log; a forged log by what is kept elsewhere"

    def stop(self) -> str:
        port = self.site.lab.port
        self._exit.close()
        with socket.socket() as probe:
            probe.settimeout(2)
            claim(f"nothing listens on port {port} any more", probe.connect_ex(("127.0.0.1", port)) != 0)
        return "the lab is gone"

    # -- what the lab knows ------------------------------------------------------------------------------------------

    @property
    def guests(self) -> dict[int, Any]:
        return self.site.lab.state.guests

    def have_identities(self) -> bool:
        names = {vmid: guest.config["hostname"] for vmid, guest in self.guests.items()}
        addresses = {guest.config["net0"].partition("hwaddr=")[2][:17] for guest in self.guests.values()}
        running = all(self.guests[vmid].running for vmid in COPIES)
        return names == {GOLDEN: "golden-docker", **COPIES} and len(addresses) == len(names) and running

    def have_features(self) -> bool:
        return all("nesting=1,keyctl=1" in self.guests[vmid].config["features"] for vmid in (GOLDEN, *COPIES))


def steps(frames: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """What a run did or would do, plan by plan: in words, and the digest."""
    return [(frame["plan"]["summary"], frame["plan"]["digest"]) for frame in frames]


def finished(run: Run) -> None:
    if run.status != 0:
        print(textwrap.indent(run.output[-3000:], "   | "))
        raise Unproven(f"the exit status is {run.status}, see {run.log}")


def claim(text: str, holds: bool, run: Run | None = None) -> None:
    print(f"   {'ok    ' if holds else 'FAILED'} {text}")
    if not holds:
        raise Unproven(f"{text}{f', see {run.log}' if run else ''}")


def quote(run: Run) -> None:
    for line in run.output.strip().splitlines():
        print(
            textwrap.fill(
                line, 110, initial_indent="        | ", subsequent_indent="        |   ", break_on_hyphens=False
            )
        )


def main() -> int:
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    begun = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="steward-demo-"))
    demo = Demo(folder)
    try:
        demo.tell()
    except Unproven as problem:
        print(f"\nThe demo failed: {problem}\nEverything that it wrote: {folder}")
        return 1
    except KeyboardInterrupt:
        print(f"\nInterrupted; everything was stopped. What was written: {folder}")
        return 130
    shutil.rmtree(folder)
    print("\n== Summary")
    for name, seconds, result in demo.summary:
        print(f"   {name:<12} {seconds:5.1f} s   {result}")
    print(f"   {'all of it':<12} {time.monotonic() - begun:5.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
