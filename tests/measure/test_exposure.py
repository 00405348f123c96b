"""Which flows a fault can hit: by what crossed the failing link when it began, written by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed.errors import TrialError
from testbed.measure.exposure import compared, exposed_flows, failing_links, hit_ends
from topologies.mlag import mlag
from topologies.single_switch import single_switch

HEADER = "number,source_ip,target_ip,interface,direction,first_s,first_seq,last_s,last_seq,packets\n"


def paths(tmp_path: Path, *rows: tuple[int, str, float, float]) -> Path:
    """A paths.csv with rows of flow, interface, first and last time."""
    path = tmp_path / "paths.csv"
    lines = [f"{flow},10.0.0.1,10.0.0.2,{end},out,{first},0,{last},9,10\n" for flow, end, first, last in rows]
    path.write_text(HEADER + "".join(lines))
    return path


def test_a_cable_fails_alone_and_a_switch_with_all_its_links() -> None:
    (link,) = failing_links(single_switch(), "silent_loss", "s1-eth1") or ()
    assert link.name == "h1-eth0--s1-eth1"
    links = failing_links(mlag(), "switch_crash", "s2") or ()
    assert {link.name for link in links} == {link.name for link in mlag().links if "s2" in (link.a, link.b)}


@pytest.mark.parametrize("fault", ["controller_crash", "switch_software_crash", "switch_restart", "none"])
def test_a_fault_of_control_is_none_of_links(fault: str) -> None:
    assert failing_links(single_switch(), fault, "c0" if "controller" in fault else "s1") is None


def test_a_flow_is_exposed_by_where_it_was_when_the_fault_began(tmp_path: Path) -> None:
    links = failing_links(single_switch(), "carrier_loss", "s1-eth1") or ()
    path = paths(
        tmp_path,
        (0, "h1-eth0", 1.0, 5.0),  # on it, until the fault
        (0, "h1-eth1", 5.1, 9.0),  # and elsewhere after it
        (1, "h1-eth1", 1.0, 9.0),  # on the other member
        (2, "h1-eth0", 1.0, 2.0),  # had left it long before
        (2, "h1-eth1", 2.0, 9.0),
        (3, "h1-eth0", 5.2, 9.0),  # came later
    )
    hit = hit_ends(single_switch(), {"fault": "carrier_loss", "element": "s1-eth1"}, links)
    assert exposed_flows(path, hit, 5.0) == {0}


@pytest.mark.parametrize(("direction", "found"), [("both", {0, 1}), ("to_host", {1}), ("from_host", {0})])
def test_a_cable_that_is_silent_in_one_direction_hits_the_flows_of_that_one(
    tmp_path: Path, direction: str, found: set[int]
) -> None:
    path = paths(tmp_path, (0, "h1-eth0", 1.0, 5.0), (1, "h1-eth0", 1.0, 5.0))
    rows = path.read_text().splitlines()
    path.write_text("\n".join([*rows[:2], rows[2].replace(",out,", ",in,")]) + "\n")
    begin = {"fault": "silent_loss", "element": "s1-eth1", "parameters": {"direction": direction}}
    links = failing_links(single_switch(), "silent_loss", "s1-eth1") or ()
    assert exposed_flows(path, hit_ends(single_switch(), begin, links), 5.0) == found


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    path = paths(tmp_path, (0, "h1-eth0", 1.0, 5.0))
    path.write_text(path.read_text() + "1,10.0.0.1,x\n")
    with pytest.raises(TrialError, match=r"raw file paths.csv is damaged in line 3"):
        exposed_flows(path, frozenset(), 5.0)


def test_of_each_direction_the_first_exposed_flow_counts() -> None:
    names = ["h1>h2", "h1>h2#2", "h2>h1", "h2>h1#2", "h2>h1#3"]
    assert compared(names, {1, 3, 4}) == [1, 3]
    assert compared(names, {4}) == [4]
    assert compared(names, range(5)) == [0, 2]


def test_where_none_is_exposed_all_count() -> None:
    assert compared(["h1>h2", "h2>h1"], ()) == [0, 1]
