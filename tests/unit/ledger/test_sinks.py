# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sinks that take checkpoints, sinks that do not, and none that is waited for without end."""

import os
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger import note, sinks
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.note import Checkpoint
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.sinks import FileSink, SinkError, sinks_of
from ansible_collections.steward.proxmox.plugins.plugin_utils._ledger.store import LedgerError

from tests.node.ports import reserved

ORIGIN = note.origin_of("ab" * 16)


def checkpoint(size: int) -> str:
    return Checkpoint(ORIGIN, size, bytes([size % 256]) * 32).text()


def test_a_file_keeps_every_checkpoint_once_and_knows_the_largest(tmp_path: Path) -> None:
    sink = FileSink(tmp_path / "witness")
    assert sink.last() is None
    for size in (1, 10, 9, 10, 1):  # runs that end at the same time come in any order
        sink.send(checkpoint(size))
    assert list(note.find(sink.path.read_text())) == [checkpoint(1), checkpoint(10), checkpoint(9)]
    assert sink.last() == checkpoint(10)
    assert sink.path.stat().st_mode & 0o777 == 0o600


def test_many_write_to_one_file(tmp_path: Path) -> None:
    sink = FileSink(tmp_path / "witness")
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(sink.send, [checkpoint(size) for size in range(200)]))
    assert sorted(note.find(sink.path.read_text())) == sorted(checkpoint(size) for size in range(200))


def test_what_a_killed_writer_left_does_no_harm(tmp_path: Path) -> None:
    signed = checkpoint(2) + "— key " + "A" * 92 + "\n"
    for cut in range(len(signed)):
        sink = FileSink(tmp_path / str(cut))
        sink.path.write_text(checkpoint(1) + "\n" + signed[:cut])
        sink.send(checkpoint(3))
        found = list(note.find(sink.path.read_text()))
        assert (found[0], found[-1]) == (checkpoint(1), checkpoint(3))
        assert all(Checkpoint.parse(other)[0].size == 2 for other in found[1:-1])


def test_a_share_that_is_not_mounted_is_no_witness(tmp_path: Path) -> None:
    sink = FileSink(tmp_path / "share" / "witness")
    with pytest.raises(SinkError, match="No such file or directory"):
        sink.send(checkpoint(1))
    assert not sink.path.parent.exists()


@pytest.mark.parametrize(
    ("path", "why"),
    [("/dev/full", "it is not a file"), ("{dir}/link", "symbolic links"), ("{dir}", "Is a directory")],
)
def test_what_is_no_file_takes_nothing(tmp_path: Path, path: str, why: str) -> None:
    (tmp_path / "link").symlink_to("real")
    with pytest.raises(SinkError, match=why):
        FileSink(Path(path.format(dir=tmp_path))).send(checkpoint(1))
    assert not (tmp_path / "real").exists()


def test_a_pipe_that_nobody_reads_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SinkError, match="it is not a file"):
        FileSink(tmp_path / "pipe").send(checkpoint(1))


def test_a_disk_that_fills_up_leaves_no_half_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sink = FileSink(tmp_path / "witness")
    sink.send(checkpoint(1))
    before, pwrite = sink.path.read_bytes(), os.pwrite

    def full(fd: int, data: bytes, offset: int) -> int:
        if len(data) < 20:
            raise OSError(28, "No space left on device")
        return pwrite(fd, data[:20], offset)

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(SinkError, match="No space left"):
        sink.send(checkpoint(2))
    assert sink.path.read_bytes() == before


def received(server: socket.socket) -> str:
    server.settimeout(60)
    return server.recv(4096).decode("ascii")


def test_syslog_over_udp_gets_one_line_that_is_found_again() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        (sink,) = sinks_of([f"syslog:127.0.0.1:{server.getsockname()[1]}"])
        sink.send(checkpoint(7))
        line = received(server)
    assert line.startswith("<45>steward.proxmox: checkpoint ")
    assert "\n" not in line
    assert list(note.find(line)) == [checkpoint(7)]


def test_syslog_over_tcp_gets_lines() -> None:
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as server:
        (sink,) = sinks_of([f"syslog+tcp:[::1]:{server.getsockname()[1]}"])
        sink.send(checkpoint(7))
        with server.accept()[0] as connection:
            line = received(connection)
    assert line.endswith("\n")
    assert list(note.find(line)) == [checkpoint(7)]


def test_the_local_syslog_gets_a_datagram(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sinks, "LOCAL_SYSLOG", ("/nowhere", str(tmp_path / "log")))
    (sink,) = sinks_of(["syslog:"])
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(str(tmp_path / "log"))
        sink.send(checkpoint(7))
        assert list(note.find(received(server))) == [checkpoint(7)]


def test_no_syslog_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sinks, "LOCAL_SYSLOG", ("/nowhere",))
    with pytest.raises(SinkError, match="No such file"):
        sinks_of(["syslog:"])[0].send(checkpoint(1))
    with reserved() as kept, pytest.raises(SinkError, match="refused"):
        sinks_of([f"syslog+tcp:127.0.0.1:{kept.getsockname()[1]}"])[0].send(checkpoint(1))


def test_a_stuck_syslog_is_not_waited_for_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sinks, "LOCAL_SYSLOG", (str(tmp_path / "log"),))
    monkeypatch.setattr(sinks, "TIMEOUT", 0.1)
    (sink,) = sinks_of(["syslog:"])
    failures: list[SinkError] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(str(tmp_path / "log"))
        sending = threading.Thread(target=send_until_it_fails, args=(sink, failures), daemon=True)
        sending.start()
        sending.join(20)
    assert [str(failure) for failure in failures] == ["timed out"]


def send_until_it_fails(sink: sinks.Sink, failures: list[SinkError]) -> None:
    """The queue of a reader that does not read is full some time."""
    try:
        for size in range(100_000):
            sink.send(checkpoint(size))
    except SinkError as error:
        failures.append(error)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "file:",
        "file:relative",
        "/var/witness",
        "syslog",
        "syslog:host",
        "syslog:host:0",
        "syslog:host:65536",
        "syslog:::514",
        "syslog+tcp:",
        "syslog:a/b:514",
        "https://example.com",
    ],
)
def test_what_is_no_sink_is_named_with_what_is_allowed(text: str) -> None:
    with pytest.raises(
        LedgerError, match=r"^sinks: .* is not a place for checkpoints: use file:/PATH, syslog:, syslog:HOST"
    ):
        sinks_of([text])
