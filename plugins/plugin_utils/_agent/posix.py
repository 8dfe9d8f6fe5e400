# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Command lines for guests with a POSIX shell. The agent's way takes ASCII only, see `api`."""

from __future__ import annotations

import re
import shlex

from ansible_collections.steward.proxmox.plugins.plugin_utils._exec.shell import regular

FOLDER = re.compile(r"/[\w./-]+", re.ASCII)
SLASH = "/"
TIDY = True
# systemd starts the agent without one, and without one `~` is nowhere
_HOME = 'export HOME="${HOME:-/root}"; '
_TEMPORARY = 'd=$(mktemp -d "${TMPDIR:-/tmp}/.steward.XXXXXXXXXX")'
_SUM = "{{ sha256sum <{0} 2>/dev/null || sha256 -q <{0} 2>/dev/null || :; }}"
#: tenths of a second in which it has to ask in the words that are expected, or to begin
_TRIES = 600
# The first line of the input is the password. It is written when it is asked for, and only once; the rest of the input
# follows when the command has begun, which says so. What asks again finds the end of its input.
_ANSWERING = """\
{temporary} && mkfifo "$d/in" || exit; trap 'rm -rf "$d"' EXIT
IFS= read -r password; : >"$d/out"; : >"$d/err"
( {text}
) <"$d/in" >"$d/out" 2>"$d/err" & pid=$!
exec 3>"$d/in"; trap '' PIPE; asked=0; left={tries}
until grep -qF {success} "$d/out" || ! kill -0 $pid 2>/dev/null; do
now=$(cat "$d/out" "$d/err" | grep -oF {prompt} | grep -c .)
[ "$now" -gt "$asked" ] && {{ [ "$asked" -eq 0 ] && printf '%s\\n' "$password" >&3 || break; }}; asked=$now
left=$((left - 1)); [ "$left" -gt 0 ] || break
sleep 0.1 2>/dev/null || sleep 1
done
grep -qF {success} "$d/out" && cat >&3 2>/dev/null
exec 3>&-; wait $pid; status=$?; cat "$d/out"; cat "$d/err" >&2; exit $status"""


def script(text: str) -> list[str]:
    """The command line that runs a script. What is not ASCII goes as octal numbers, which printf undoes."""
    if text.isascii():
        return ["/bin/sh", "-c", text]
    escaped = "".join(
        chr(byte) if byte < 128 and byte != ord("\\") else f"\\0{byte:03o}"
        for byte in text.encode(errors="surrogateescape")
    )
    return ["/bin/sh", "-c", 'eval "$(printf %b "$1")"', "sh", escaped]


def command(text: str) -> list[str]:
    """What Ansible wants to run."""
    return script(_HOME + text)


def answering(text: str, prompt: str, success: str) -> str:
    """What Ansible wants to run, where that may ask for a password before it begins."""
    words = {"prompt": shlex.quote(prompt), "success": shlex.quote(success)}
    return _ANSWERING.format(text=text, temporary=_TEMPORARY, tries=_TRIES, **words)


def make_folder() -> list[str]:
    """A folder that only the agent's user may enter: the files that the agent writes are open to all."""
    return script(f'{_TEMPORARY} && : >"$d/p" && echo "$d"')


def remove(folder: str) -> list[str]:
    return script(f"rm -rf {folder}")


def join(folder: str) -> list[str]:
    """Put the pieces that are there to the end of what was joined before."""
    return script(_joined(folder))


def _joined(folder: str) -> str:
    return f"cd {folder} && cat p* >>in && rm p*"


def reading(folder: str, text: str, mark: str) -> list[str]:
    """What Ansible wants to run, with the joined pieces as its input; they are gone before it begins.

    `mark` on stderr says that it could not begin.
    """
    fails = f"{{ cd /; rm -rf {folder}; echo {mark} >&2; exit 1; }}"
    return script(f"{{ {_joined(folder)} && exec <in; }} || {fails}; cd /; rm -rf {folder}; {_HOME}{text}")


def put(folder: str, path: str) -> list[str]:
    """Make the file of the joined pieces; an existing one keeps its owner and mode. Says size and checksum."""
    target = shlex.quote(path)
    return script(f"{_joined(folder)} && cd / && cat {folder}/in >{target} && {_measured(target)}")


def measure(path: str) -> list[str]:
    """Say size and checksum of a file."""
    return script(regular(path) + _measured(shlex.quote(path)))


def _measured(target: str) -> str:
    return f"wc -c <{target} && {_SUM.format(target)}"


def read(path: str, offset: int, count: int) -> list[str]:
    """A part of a file, as it is; `offset` is a multiple of `count`."""
    return script(f"dd if={shlex.quote(path)} bs={count} skip={offset // count} count=1 2>/dev/null")


def content(stdout: bytes) -> bytes:
    """What `read` brought."""
    return stdout
