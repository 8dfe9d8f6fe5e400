# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The `pct` command: root on a node, on the same state as the API."""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from . import guests, lxc, lxc_clone, lxc_config, lxc_create, lxc_disks, lxc_power, snapshots
from .call import Call, Handler
from .errors import BadParameter, Died, Refusal
from .schema import endpoint, verify
from .state import ROOT, Guest

if TYPE_CHECKING:
    from .app import LabApp

BASE = "/nodes/{node}/lxc"
ONE = BASE + "/{vmid}"
METHOD = "PCT"  # in the log and for faults, where a request has its HTTP method
# Where a container has programs; anything else that is named by its path must have been pushed.
PROGRAM_PLACES = ("/bin/", "/sbin/", "/usr/bin/", "/usr/sbin/", "/usr/local/bin/")


@dataclass
class Result:
    out: str = ""
    err: str = ""
    rc: int = 0
    pulled: bytes | None = None
    written: dict[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class Command:
    """A subcommand that is an API call: its words, its endpoint, its handler."""

    words: tuple[str, ...]
    method: str
    path: str
    handler: Handler
    fixed: tuple[tuple[str, Any], ...] = ()


COMMANDS = {
    "create": Command(("vmid", "ostemplate"), "POST", BASE, lxc_create.create),
    "restore": Command(("vmid", "ostemplate"), "POST", BASE, lxc_create.create, (("restore", "1"),)),
    "start": Command(("vmid",), "POST", ONE + "/status/start", lxc_power.start),
    "stop": Command(("vmid",), "POST", ONE + "/status/stop", lxc_power.stop),
    "shutdown": Command(("vmid",), "POST", ONE + "/status/shutdown", lxc_power.shutdown),
    "reboot": Command(("vmid",), "POST", ONE + "/status/reboot", lxc_power.reboot),
    "destroy": Command(("vmid",), "DELETE", ONE, lxc.delete),
    "set": Command(("vmid",), "PUT", ONE + "/config", lxc_config.update),
    "snapshot": Command(("vmid", "snapname"), "POST", ONE + "/snapshot", snapshots.create),
    "rollback": Command(("vmid", "snapname"), "POST", ONE + "/snapshot/{snapname}/rollback", snapshots.rollback),
    "delsnapshot": Command(("vmid", "snapname"), "DELETE", ONE + "/snapshot/{snapname}", snapshots.delete),
    "clone": Command(("vmid", "newid"), "POST", ONE + "/clone", lxc_clone.clone),
    "template": Command(("vmid",), "POST", ONE + "/template", lxc_create.template),
    "resize": Command(("vmid", "disk", "size"), "PUT", ONE + "/resize", lxc_disks.resize),
}


def run(app: LabApp, wanted: dict[str, Any]) -> dict[str, Any]:
    """Runs one command line; `wanted` holds argv, node, and what the caller read: stdin and files to push."""
    argv = [str(word) for word in wanted["argv"]] or ["help"]
    node = wanted.get("node") or app.state.local
    result = _answer(app, node, argv, wanted)
    # Only the words that name what is done: an option may hold a password.
    app.record(
        {
            "time": time.time(),
            "user": ROOT,
            "method": METHOD,
            "path": "/".join(["", *argv[:2]]),
            "params": {},
            "status": result.rc,
        }
    )
    pulled = None if result.pulled is None else base64.b64encode(result.pulled).decode()
    return {"stdout": result.out, "stderr": result.err, "rc": result.rc, "pulled": pulled}


def changes(path: str) -> bool:
    """Whether a command of the log could change a guest."""
    return path.split("/")[1] in (*COMMANDS, "push", "unlock")


def _answer(app: LabApp, node: str, argv: list[str], wanted: dict[str, Any]) -> Result:
    try:
        return _run(app, node, argv, wanted)
    except BadParameter as refusal:
        lines = "".join(f"{name}: {text.rstrip()}\n" for name, text in (refusal.errors or {}).items())
        return Result(err=f"400 {refusal.message}\n{lines}\n{usage(argv[0])}\n", rc=255)
    except Refusal as refusal:
        gone = re.fullmatch(r"Configuration file '.*' does not exist", refusal.message)
        return Result(err=f"{refusal.message}\n", rc=2 if gone else 255)


def usage(name: str) -> str:
    words = " ".join(f"<{word}>" for word in COMMANDS[name].words) if name in COMMANDS else "<vmid>"
    return f"pct {name} {words} [OPTIONS]"


def _run(app: LabApp, node: str, argv: list[str], wanted: dict[str, Any]) -> Result:
    name, *rest = argv
    if name in COMMANDS:
        return _api(app, node, name, rest)
    if name in OWN:
        with app.lock:
            app.settle()
            return OWN[name](app, node, rest, wanted)
    return Result(err=f"ERROR: unknown command 'pct {name}'\n", rc=255)


def _api(app: LabApp, node: str, name: str, rest: list[str]) -> Result:
    command = COMMANDS[name]
    found = endpoint(command.method, command.path)
    assert found is not None
    params = _arguments(command, rest) | {"node": node} | dict(command.fixed)
    with app.lock:
        app.settle()
        call = app.as_root(node)
        call.sent = params
        call.path = command.path.format(**{"snapname": "", "vmid": "", **params})
        call.params = verify(found.properties, params)
        call.outcome = app.faults.outcome(METHOD, f"/{name}/{params.get('vmid', '')}")
        answer = command.handler(call)
    return _follow(app, call, answer)


def _arguments(command: Command, rest: list[str]) -> dict[str, Any]:
    """Positional words first, then --key value, -key value or --key=value."""
    params: dict[str, Any] = {}
    words, options = list(command.words), list(rest)
    while options:
        word = options.pop(0)
        if not word.startswith("-"):
            if not words:
                raise Died("too many arguments")
            params[words.pop(0)] = word
            continue
        key, separator, value = word.lstrip("-").partition("=")
        if not separator:
            value = options.pop(0) if options and not options[0].startswith("--") else "1"
        params[key] = value
    if words:
        raise Died("not enough arguments")
    return params


def _follow(app: LabApp, call: Call, answer: Any) -> Result:
    """`pct` works in the foreground: it shows the task's log and ends as the task ends."""
    if not str(answer).startswith("UPID:"):
        return Result()
    while True:
        with app.lock:
            app.settle()
            task = call.tasks.find(answer)
            if not task.running:
                break
        time.sleep(0.01)
    lines = "".join(f"{line}\n" for line in task.lines if not line.startswith("TASK "))
    if task.exit == "OK" or str(task.exit).startswith("WARNINGS"):
        return Result(out=lines)
    gone = re.fullmatch(r"Configuration file '.*' does not exist", str(task.exit))
    return Result(out=lines, err=f"{task.exit}\n", rc=2 if gone else 255)


# what is no API call


def _guest(app: LabApp, node: str, rest: list[str]) -> Guest:
    vmid = rest[0] if rest else ""
    if not re.fullmatch(r"[1-9][0-9]{2,8}", vmid):
        raise BadParameter(vmid="invalid format - value does not look like a valid VM ID")
    return guests.find(app.state, "lxc", node, int(vmid))


def _list(app: LabApp, node: str, _rest: list[str], _wanted: dict[str, Any]) -> Result:
    found = sorted((g for g in app.state.guests.values() if g.kind == "lxc" and g.node == node), key=lambda g: g.vmid)
    if not found:
        return Result()
    rows = [("VMID", "Status", "Lock", "Name")]
    rows += [(str(g.vmid), "running" if g.running else "stopped", g.lock or "", g.name) for g in found]
    return Result(out="".join(f"{a:<10} {b:<10} {c:<12} {d:<20}\n" for a, b, c, d in rows))


def _config(app: LabApp, node: str, rest: list[str], _wanted: dict[str, Any]) -> Result:
    guest = _guest(app, node, rest)
    config = guests.current(guest, with_pending="--current" not in rest)
    if config.get("description"):
        config["description"] = str(config["description"]).replace("%", "%25").replace("\n", "%0A")
    config.pop("digest")
    return Result(out="".join(f"{key}: {value}\n" for key, value in sorted(config.items())))


def _status(app: LabApp, node: str, rest: list[str], _wanted: dict[str, Any]) -> Result:
    return Result(out=f"status: {'running' if _guest(app, node, rest).running else 'stopped'}\n")


def _unlock(app: LabApp, node: str, rest: list[str], _wanted: dict[str, Any]) -> Result:
    guest = _guest(app, node, rest)
    guest.lock_until = 0.0
    guest.config.pop("lock", None)
    return Result()


def _push(app: LabApp, node: str, rest: list[str], wanted: dict[str, Any]) -> Result:
    guest = _guest(app, node, rest)
    if len(rest) < 3:
        raise Died("not enough arguments")
    if not guest.running:
        raise Died("can only push files to a running CT")
    if wanted.get("file") is None:
        raise Died(f"failed to open '{rest[1]}' for reading: No such file or directory")
    guest.files[rest[2]] = base64.b64decode(wanted["file"])
    return Result()


def _pull(app: LabApp, node: str, rest: list[str], _wanted: dict[str, Any]) -> Result:
    guest = _guest(app, node, rest)
    if len(rest) < 3:
        raise Died("not enough arguments")
    if not guest.running:
        raise Died("can only pull files from a running CT")
    if rest[1] not in guest.files:
        return Result(err=f"failed to open {rest[1]}: No such file or directory\n")  # and the status is 0, as it is
    return Result(pulled=guest.files[rest[1]])


def _exec(app: LabApp, node: str, rest: list[str], wanted: dict[str, Any]) -> Result:
    guest = _guest(app, node, rest)
    if not guest.running:
        raise Died(f"container '{guest.vmid}' not running!")
    command = _command(rest[1:])
    stdin = base64.b64decode(wanted.get("stdin") or "")
    app.state.commands.append({"vmid": guest.vmid, "command": command, "stdin": len(stdin)})
    program, *words = command or ["true"]
    if program.startswith("/") and not program.startswith(PROGRAM_PLACES) and program not in guest.files:
        place = "../src/lxc/attach.c: lxc_attach_run_command: 1841"
        text = f'lxc-attach: {guest.vmid}: {place} No such file or directory - Failed to exec "{program}"\n'
        return Result(err=text, rc=127)
    known = PROGRAMS.get(program.rpartition("/")[2])
    return known(guest, words, stdin) if known else Result()


def _command(rest: list[str]) -> list[str]:
    """The command stands after --; options of pct itself may stand before."""
    if "--" in rest:
        return rest[rest.index("--") + 1 :]
    return rest


def _shell(guest: Guest, words: list[str], stdin: bytes) -> Result:
    """Runs nothing: knows `exit N` and `cat > FILE`, and believes the rest."""
    if not words or words[0] != "-c":
        return Result()
    script, arguments = words[1], words[2:]
    ended = re.fullmatch(r"\s*exit (\d+)\s*", script)
    if ended:
        return Result(rc=int(ended[1]))
    written = re.fullmatch(r"""\s*(?:umask \d+ *(?:;|&&) *)?cat *> *["']?([^"']+)["']?\s*""", script)
    if written:
        target = arguments[1] if written[1] == "$1" and len(arguments) > 1 else written[1]
        guest.files[target] = stdin
    return Result()


def _cat(guest: Guest, words: list[str], stdin: bytes) -> Result:
    if not words:
        return Result(out=stdin.decode(errors="replace"))
    missing = [word for word in words if word not in guest.files]
    out = "".join(guest.files[word].decode(errors="replace") for word in words if word in guest.files)
    err = "".join(f"cat: {word}: No such file or directory\n" for word in missing)
    return Result(out=out, err=err, rc=int(bool(missing)))


def _echo(_guest: Guest, words: list[str], _stdin: bytes) -> Result:
    return Result(out=" ".join(words) + "\n")


Program = Callable[[Guest, list[str], bytes], Result]
PROGRAMS: dict[str, Program] = {
    "cat": _cat,
    "echo": _echo,
    "sh": _shell,
    "bash": _shell,
    "ash": _shell,
    "false": lambda *_unused: Result(rc=1),
    "true": lambda *_unused: Result(),
}
Own = Callable[["LabApp", str, list[str], dict[str, Any]], Result]
OWN: dict[str, Own] = {
    "list": _list,
    "config": _config,
    "status": _status,
    "unlock": _unlock,
    "push": _push,
    "pull": _pull,
    "exec": _exec,
}
