"""The rules and the shared state of firewalls, judged by nft itself, and by what the manual of conntrackd asks for."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from testbed import services
from testbed.errors import SpecError
from testbed.services import conntrackd, nftables
from testbed.spec import FirewallOptions
from testbed.theory import sessions
from topologies.firewall_pair import firewall_pair

needs_nft = pytest.mark.skipif(shutil.which("nft") is None, reason="nftables is not installed (make setup-services)")
OPTIONS = [
    FirewallOptions(),
    FirewallOptions(nat=False),
    FirewallOptions(nat=False, loose=True),
    FirewallOptions(sync="none"),
]


def text_of(options: FirewallOptions, place: int = 0) -> str:
    return nftables.rules(nftables.of(firewall_pair(firewall=options))[place])


def test_each_firewall_has_rules_shares_what_it_knows_and_speaks_vrrp() -> None:
    found = [(each.node, each.name) for each in services.wanted(firewall_pair())]
    assert found == [(name, kind) for kind in ("nftables", "conntrackd", "keepalived") for name in ("f1", "f2")]
    alone = services.wanted(firewall_pair(firewall=FirewallOptions(sync="none")))
    assert "conntrackd" not in {each.name for each in alone}


@needs_nft
@pytest.mark.parametrize("options", OPTIONS, ids=repr)
def test_nft_takes_the_rules(options: FirewallOptions, tmp_path: Path) -> None:
    (tmp_path / "rules.nft").write_text(text_of(options))
    words = ["unshare", "--user", "--map-root-user", "--net", "nft", "--check", "--file", str(tmp_path / "rules.nft")]
    done = subprocess.run(words, capture_output=True, text=True)
    if "unshare" in done.stderr or "Operation not" in done.stderr or "No such file" in done.stderr:
        pytest.skip(f"no namespace with nftables here: {done.stderr.strip()}")
    assert (done.returncode, done.stderr) == (0, "")


def test_only_the_first_segment_begins_a_connection_and_only_inside() -> None:
    new = [line.split() for line in text_of(FirewallOptions()).splitlines() if "ct state new" in line]
    assert all(words[:2] == ["iifname", '"f1-eth0"'] for words in new)
    assert "tcp flags & (fin | syn | rst | ack) == syn" in " ".join(new[0])
    assert "policy drop" in text_of(FirewallOptions()) and "ct state invalid counter drop" in text_of(FirewallOptions())


def test_connections_leave_with_the_virtual_address_of_the_outside_by_either_firewall() -> None:
    for place, interface in enumerate(("f1-eth1", "f2-eth1")):
        assert f'oifname "{interface}" ip saddr 10.0.0.0/24 snat ip to 10.1.0.254' in text_of(FirewallOptions(), place)
    assert "snat" not in text_of(FirewallOptions(nat=False))


def test_a_connection_may_be_picked_up_in_its_middle_where_that_is_asked_for() -> None:
    loose, strict = (nftables.of(firewall_pair(firewall=options))[0] for options in (OPTIONS[2], OPTIONS[1]))
    assert "tcp flags" not in nftables.rules(loose) and "tcp flags" in nftables.rules(strict)
    assert loose.settings() == {"netfilter/nf_conntrack_tcp_loose": "1"}
    assert strict.settings() == {"netfilter/nf_conntrack_tcp_loose": "0"}


def test_each_tells_the_other_over_their_own_link(tmp_path: Path) -> None:
    one, other = conntrackd.of(firewall_pair())
    assert (one.interface, one.own, one.other) == ("f1-eth2", "10.2.0.253", "10.2.0.252")
    assert (other.own, other.other) == (one.other, one.own)
    text = conntrackd.configuration(one, tmp_path)
    assert "Mode FTFW" in text and "DisableExternalCache On" in text
    assert text.count("{") == text.count("}")
    places = re.findall(rf"{re.escape(str(tmp_path))}/\S+", text)
    assert len(places) == 3  # log, lock and socket are its own, not those of the machine


@pytest.mark.parametrize(("options", "survives"), [*zip(OPTIONS, (True, True, True, False), strict=True)], ids=repr)
def test_which_sessions_survive(options: FirewallOptions, survives: bool) -> None:
    found, why = sessions.survive(firewall_pair(firewall=options).firewalls[0])
    assert found is survives and why


def test_without_shared_state_the_middle_of_a_connection_is_lost_unless_it_may_be_picked_up() -> None:
    alone = {
        loose: sessions.survive(
            firewall_pair(firewall=FirewallOptions(sync="none", nat=False, loose=loose)).firewalls[0]
        )
        for loose in (True, False)
    }
    assert alone[True][0] is True and alone[False][0] is False


def test_picking_up_does_not_go_with_translation() -> None:
    with pytest.raises(SpecError, match="firewall_loose has no effect with firewall_nat"):
        FirewallOptions(loose=True)
