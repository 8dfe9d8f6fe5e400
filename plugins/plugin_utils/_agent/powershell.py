# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Command lines for Windows guests, by PowerShell; the same functions as in `posix`."""

from __future__ import annotations

import base64
import re

FOLDER = re.compile(r"[A-Za-z]:[\w.~\\-]+", re.ASCII)
SLASH = "\\"
TIDY = False
_POWERSHELL = ["powershell.exe", "-NoProfile", "-NonInteractive", "-ExecutionPolicy", "Unrestricted"]
#: a command line that Ansible's shell plugin has encoded already; ansible-core 2.21 quotes it
_ENCODED = re.compile(rf"powershell {' '.join(_POWERSHELL[1:])} -EncodedCommand '?([A-Za-z0-9+/]+=*)'?", re.IGNORECASE)
_STRICT = "$ErrorActionPreference = 'Stop'; $ProgressPreference = 'SilentlyContinue'; "
# SYSTEM and the administrators, by their ids: names are translated
_MAKE_FOLDER = (
    "$d = Join-Path ([IO.Path]::GetTempPath()) ('steward.' + [Guid]::NewGuid().ToString('N'));"
    " [void](New-Item -ItemType Directory -Path $d);"
    " [void](icacls.exe $d /inheritance:r /grant:r '*S-1-5-18:(OI)(CI)F' '*S-1-5-32-544:(OI)(CI)F');"
    " if ($LASTEXITCODE) { throw 'icacls failed' };"
    " [IO.File]::WriteAllBytes((Join-Path $d 'p'), [byte[]]@()); $d"
)
_JOIN = (
    "$in = [IO.File]::Open((Join-Path $d 'in'), 'Append'); try { Get-ChildItem -LiteralPath $d -Filter 'p*' |"
    " Sort-Object Name | ForEach-Object { $b = [IO.File]::ReadAllBytes($_.FullName); $in.Write($b, 0, $b.Length);"
    " Remove-Item -LiteralPath $_.FullName } } finally { $in.Close() }"
)
_MEASURE = "(Get-Item -LiteralPath $f -Force).Length; (Get-FileHash -Algorithm SHA256 -LiteralPath $f).Hash.ToLower()"
_READ = (
    "$s = [IO.File]::Open($f, 'Open', 'Read', 'ReadWrite'); try { [void]$s.Seek($o, 'Begin');"
    " $b = New-Object byte[] $n; $r = 0; while ($r -lt $n) { $m = $s.Read($b, $r, $n - $r); if (-not $m) { break };"
    " $r += $m }; [Convert]::ToBase64String($b, 0, $r) } finally { $s.Close() }"
)


def script(text: str) -> list[str]:
    return _encoded(base64.b64encode(text.encode("utf-16-le")).decode())


def _encoded(text: str) -> list[str]:
    return [*_POWERSHELL, "-EncodedCommand", text]


def _quoted(text: str) -> str:
    """In single quotes, of which PowerShell knows five kinds."""
    for quote in "'\u2018\u2019\u201a\u201b":
        text = text.replace(quote, quote * 2)
    return f"'{text}'"


def command(text: str) -> list[str]:
    """What Ansible wants to run: a script, or a command line that its shell plugin has encoded."""
    found = _ENCODED.fullmatch(text)
    return _encoded(found[1]) if found else script(text)


def make_folder() -> list[str]:
    return script(_STRICT + _MAKE_FOLDER)


def remove(folder: str) -> list[str]:
    return script(f"Remove-Item -LiteralPath {_quoted(folder)} -Recurse -Force")


def join(folder: str) -> list[str]:
    return script(f"{_STRICT}$d = {_quoted(folder)}; {_JOIN}")


def reading(folder: str, text: str, mark: str) -> list[str]:
    """cmd.exe gives the joined pieces to it, which PowerShell cannot do for another program."""
    joined, line = " ".join(join(folder)), " ".join(command(text))
    return ["cmd.exe", "/d", "/c", f"({joined} || (echo {mark} 1>&2& exit 1))& {line} <{folder}\\in"]


def put(folder: str, path: str) -> list[str]:
    copied = "Copy-Item -LiteralPath (Join-Path $d 'in') -Destination $f -Force"
    return script(f"{_STRICT}$d = {_quoted(folder)}; $f = {_quoted(path)}; {_JOIN}; {copied}; {_MEASURE}")


def measure(path: str) -> list[str]:
    return script(f"{_STRICT}$f = {_quoted(path)}; {_MEASURE}")


def read(path: str, offset: int, count: int) -> list[str]:
    return script(f"{_STRICT}$f = {_quoted(path)}; $o = {offset}; $n = {count}; {_READ}")


def content(stdout: bytes) -> bytes:
    return base64.b64decode(stdout)
