"""Sampling counters: of this process's own namespace, where a datagram over loopback is counted both ways (proc(5))."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path
from typing import Any, cast

from testbed.emulation.network import Network
from testbed.measure import rates as measured
from testbed.observe import rates


class _Here:
    """A network whose only host is this machine, and its only link the loopback interface."""

    @property
    def topology(self) -> Any:
        return self

    def interfaces(self, _host: str) -> tuple[str, ...]:
        return ("lo",)

    def pid(self, _host: str) -> int:
        return os.getpid()


def test_the_samples_are_read_as_they_were_written(tmp_path: Path) -> None:
    path, payload = tmp_path / "member_rates.csv", b"x" * 1000
    before = rates._counters(Path("/proc/self/net/dev").read_text())["lo"]
    with (
        rates.sampling(cast(Network, _Here()), ("h1",), path, origin_s=time.time()),
        socket.socket(type=socket.SOCK_DGRAM) as receiver,
        socket.socket(type=socket.SOCK_DGRAM) as sender,
    ):
        receiver.bind(("127.0.0.1", 0))
        for _ in range(100):
            sender.sendto(payload, receiver.getsockname())
    assert tuple(measured.COLUMNS) == rates.COLUMNS
    samples = measured.load(path)["lo"]
    # The last sample is taken when the block ends.
    for octets, earlier in zip((samples.tx_bytes, samples.rx_bytes), before, strict=True):
        assert octets[-1] - earlier >= 100 * len(payload)


def test_a_file_longer_than_one_read_is_read_whole(tmp_path: Path) -> None:
    """A read of /proc/net/dev gives one page at most, about 30 interfaces (fs/seq_file.c)."""
    path = tmp_path / "dev"
    path.write_text("x" * (3 * rates._READ_BYTES + 5))
    with path.open() as file:
        assert rates._whole(file.fileno()) == path.read_text()
