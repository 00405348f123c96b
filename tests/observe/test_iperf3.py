"""The arguments that iperf3(1) gets."""

from __future__ import annotations

from testbed.observe import iperf3


def test_datagrams_are_requested_in_iperf3s_own_arguments() -> None:
    wanted = ["--udp", "--length", "1472", "--bitrate", "478500000"]
    assert iperf3.Datagrams(1472, 478.5).arguments() == wanted
