"""10,000 flows of every kind through bonds of 2 to 8 members: each leaves by the member that the driver's hash names.

IPv4 and IPv6, TCP and UDP, any MAC and IP addresses, any ports, in four VLANs with any priority and in none; by all six
policies. kernel_hash.py writes the formula anew; testbed.theory is compared with both in tests/theory.
"""

from __future__ import annotations

import json

import pytest

from testbed.results.result import Run
from tests.emulation import hash_inputs
from tests.emulation.kernel_hash import POLICIES, kernel_hash
from tests.emulation.support import HERE, run


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A trial for each number of members."""
    place = tmp_path_factory.mktemp("hashes") / "run"
    return run(place, str(HERE / "hash_inputs.py"), "--repetitions", "1", "--seed", "8", "--jobs", "1")


def test_every_flow_leaves_by_the_member_that_the_formula_names(sent: Run) -> None:
    total = 0
    for record in sent.records:
        assert (record.status, record.warnings) == ("ok", []), record.reason
        members = int(record.case["members"])
        found = json.loads((sent.path / record.raw / "left.json").read_text())
        for policy in POLICIES:
            flows = hash_inputs.flows(record.seed, policy, members)
            wanted = [[f"h1-eth{kernel_hash(policy, flow) % members}"] for flow in flows]
            wrong = [
                (flow, seen, want)
                for flow, seen, want in zip(flows, found[policy], wanted, strict=True)
                if seen != want
            ]
            assert wrong == [], (policy, members, len(wrong))
            assert len({ends[0] for ends in found[policy]}) == members
            total += len(flows)
    assert total >= 10_000
