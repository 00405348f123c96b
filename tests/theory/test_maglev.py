"""Maglev hashing: SipHash as Python's own, and the table's properties by the paper."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from testbed.theory import maglev
from testbed.theory.displacement import maglev_displacement

SERVERS = [(f"10.0.0.{number}", 5201) for number in range(3, 19)]


@pytest.mark.skipif(sys.hash_info.algorithm != "siphash13", reason="this Python hashes octets by another function")
@pytest.mark.parametrize("value", [0, 1, 0xDEADBEEF, 0xFFFFFFFF])
def test_siphash_is_that_of_python(value: int) -> None:
    """PYTHONHASHSEED=0 makes its key zero (Python's documentation, using/cmdline; sys.hash_info)."""
    code = f"print(hash({value.to_bytes(4, 'little')!r}))"
    command = [sys.executable, "-c", code]
    shown = subprocess.run(command, env={**os.environ, "PYTHONHASHSEED": "0"}, capture_output=True, text=True)
    assert maglev.siphash13(value, 0) == int(shown.stdout) % (1 << 64)


@pytest.mark.parametrize("count", [1, 2, 3, 5, 16])
def test_every_server_has_its_share_of_places(count: int) -> None:
    """NSDI 2016, 3.4: as they take turns, no server has more than one place more than another."""
    found = maglev.table(SERVERS[:count])
    places = [found.count(server) for server in range(count)]
    assert sum(places) == maglev.TABLE_SIZE
    assert max(places) - min(places) <= 1


def test_the_table_follows_from_the_servers_alone() -> None:
    assert maglev.table(SERVERS[:3]) == maglev.table(SERVERS[:3])
    moved = maglev.table([("10.0.1.3", 5201), *SERVERS[1:3]])
    assert moved != maglev.table(SERVERS[:3])


@pytest.mark.parametrize("count", [2, 3, 4, 8, 16])
def test_few_flows_move_in_vain(count: int) -> None:
    """NSDI 2016, 5.3: not none, as by scores, but a small part; by a modulo it would be (N - 2)/N."""
    found = maglev_displacement(SERVERS[:count], count - 1)
    assert found.lost == pytest.approx(1 / count, abs=1 / maglev.TABLE_SIZE)
    assert 0 <= found.in_vain < max(0.1, 0.5 * (count - 2) / count)
    assert (found.in_vain > 0) == (count > 2)


def test_a_flow_takes_a_place_of_the_table() -> None:
    taken = {maglev.entry_of_flow(("10.0.0.1", port)) for port in range(32768, 61000)}
    assert taken <= set(range(maglev.TABLE_SIZE))
    assert len(taken) > 0.99 * maglev.TABLE_SIZE
