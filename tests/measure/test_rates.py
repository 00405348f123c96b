"""Throughput of members from their counters, and the errors of damaged samples."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed.errors import TrialError
from testbed.measure import rates

HEADER = "t_s,interface,tx_bytes,rx_bytes\n"


def test_rates_are_the_growth_of_the_counters(tmp_path: Path) -> None:
    path = tmp_path / "member_rates.csv"
    path.write_text(HEADER + "1.0,eth0,0,5\n1.0,eth1,7,5\n1.1,eth0,12500000,5\n1.1,eth1,7,5\n1.3,eth0,12500000,5\n")
    samples = rates.load(path)
    # 12.5 million octets in a tenth of a second are 1000 Mbit/s.
    assert samples["eth0"].tx_mbps() == pytest.approx([1000, 0])
    assert samples["eth1"].tx_mbps() == pytest.approx([0])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no header"),
        (HEADER, "holds no sample"),
        (HEADER + "1.0,eth0,0,5\n1.1,eth0,10", "is cut off in line 3"),
        (HEADER + "1.0,eth0,0,5\n1.1,eth0,10\n", "is damaged in line 3: 1.1,eth0,10"),
        (HEADER + "1.0,eth0,9,5\n1.1,eth0,8,5\n", "line 3: a counter of eth0 went back"),
        (HEADER + "1.0,eth0,9,5\n1.1,eth0,9,4\n", "line 3: a counter of eth0 went back"),
        (HEADER + "1.0,eth0,9,5\n0.9,eth0,9,5\n", "line 3: the clock went back from 1.0 to 0.9 s"),
    ],
)
def test_damaged_rates_name_the_place(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "member_rates.csv"
    path.write_text(text)
    with pytest.raises(TrialError) as error:
        rates.load(path)
    assert message in str(error.value)
    assert "member_rates.csv" in str(error.value)
