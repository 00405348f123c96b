"""What share of all flows leaves its member when one of N fails, and when it returns. Pure.

    hash of the flow     a rule: which of the N members         with one of them away, another member for
    (all values alike    has which part of the hash's   --->    the flows that it had, and, by some rules,
    likely)              values                                 for others as well: these move in vain

    modulo     member h mod n of those usable, in their order: the bonding driver (bond_xmit_3ad_xor_slave_get), and the
               team driver with an 8-bit hash, where a member that returns is the last one (team_port_enable)
    threshold  n equal regions of the hash's values, in order: next-hop groups (nh_group_rebalance); RFC 2992
    scores     each member has a score from the flow's hash and its own name, and the highest wins: Open vSwitch's
               select groups with selection_method=hash; D. Thaler, C. Ravishankar, IEEE/ACM Transactions on
               Networking 6(1), 1998, and RFC 2992, section 3
    resilient  a table of buckets, by the hash modulo their number; those of a next hop that goes are handed to others,
               and a bucket that is not idle for 120 s stays with its next hop when one returns: resilient groups
               (networking/nexthop-group-resilient.rst; nh_res_group_rebalance)
    maglev     a table of 4093 places that the servers fill in turns (testbed.theory.maglev): IPVS, scheduler mh
    buckets    a table of hash values, each entry filled by chance; an entry is filled anew only if its member is away:
               Open vSwitch's bonds (bond_update_post_recirc_rules), as long as no load lets them rebalance. Chance is
               not fair: the members are drawn from the chains of a hash table (hmap_random_node), so that one may have
               half of all entries. The table is therefore asked, and theory counts its entries

For the modulo, N - 1 of N flows move (RFC 2992, section 3); for thresholds a quarter to a half of them (section 2.2);
otherwise one of N, those that had to.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from testbed.errors import SpecError, unknown
from testbed.spec import Bond
from testbed.theory import maglev
from testbed.theory.hashing import HASH_MODES, WITH_PORTS
from testbed.theory.maglev import Server

#: Values of the team driver's hash (lb_get_skb_hash, drivers/net/team/team_mode_loadbalance.c).
TEAM_HASHES = 256
#: How many standard deviations a share may be off that many flows show.
_DEVIATIONS = 4.0


@dataclass(frozen=True)
class Displacement:
    """Shares of all flows, from 0 to 1.

    ``lost`` were on the member that fails; ``moved`` are elsewhere while it is away: those, and others in vain;
    ``back`` move when it returns; ``astray`` are elsewhere after its return than before it failed.
    """

    lost: float
    moved: float
    back: float
    astray: float
    label: str

    @property
    def in_vain(self) -> float:
        """The flows that move though their member did not fail."""
        return self.moved - self.lost

    def shares(self) -> dict[str, float]:
        """All shares by their names."""
        return {
            "lost": self.lost,
            "moved": self.moved,
            "in_vain": self.in_vain,
            "back": self.back,
            "astray": self.astray,
        }

    def margin(self, share: float, flows: int) -> float:
        """How far the share of ``flows`` flows may be from that of theory: four standard deviations of a binomial."""
        return _DEVIATIONS * math.sqrt(max(0.0, share * (1 - share)) / flows)


def modulo(members: int, failed: int) -> Displacement:
    """The hash modulo the number of usable members, which keep their order, also when one returns."""
    values = members * (members - 1)  # after so many values of the hash all repeats
    before = [value % members for value in range(values)]
    during = _over(range(values), [place for place in range(members) if place != failed])
    return _counted(failed, before, during, before, "h mod n")


def team_modulo(members: int, failed: int) -> Displacement:
    """The same of a hash of 8 bits, where the member that returns becomes the last one."""
    left = [place for place in range(members) if place != failed]
    values = range(TEAM_HASHES)
    before, during, after = (_over(values, order) for order in (list(range(members)), left, [*left, failed]))
    return _counted(failed, before, during, after, "h mod n, h of 8 bits")


def threshold(members: int, failed: int) -> Displacement:
    """Equal regions of the hash's values: the border of each moves when the number of regions changes."""
    left = [place for place in range(members) if place != failed]
    kept = Fraction(0)
    for region, place in enumerate(left):
        low = max(Fraction(place, members), Fraction(region, members - 1))
        high = min(Fraction(place + 1, members), Fraction(region + 1, members - 1))
        kept += max(Fraction(0), high - low)
    moved = float(1 - kept)
    return Displacement(1 / members, moved, moved, 0.0, "hash thresholds")


def scores(members: int, failed: int) -> Displacement:
    """The highest score of a flow is another's only if its own member is away, whichever that is."""
    del failed
    return Displacement(1 / members, 1 / members, 1 / members, 0.0, "highest score")


def buckets(entries: Sequence[int], failed: int) -> Displacement:
    """Only entries of the member that fails are filled anew; they stay where they are until the bond rebalances.

    ``entries`` are those of each member. Errors: SpecError if there are none.
    """
    if not sum(entries):
        raise SpecError("a table without entries places no flow; wanted the number of entries of each member")
    share = entries[failed] / sum(entries)
    return Displacement(share, share, 0.0, share, f"{sum(entries)} buckets")


def resilient_entries(members: int, size: int) -> list[int]:
    """How many of ``size`` buckets each next hop of a resilient group has, all alike (nh_res_group_rebalance)."""
    bounds = [(size * place + members // 2) // members for place in range(members + 1)]  # DIV_ROUND_CLOSEST
    return [high - low for low, high in itertools.pairwise(bounds)]


#: Every rule that needs nothing but the number of members, by its name; and the one of tables, which needs theirs.
RULES: dict[str, Callable[[int, int], Displacement]] = {
    "modulo": modulo,
    "team-modulo": team_modulo,
    "threshold": threshold,
    "scores": scores,
}
BUCKETS = "buckets"


def maglev_displacement(servers: Sequence[Server], failed: int) -> Displacement:
    """What a balancer's loss of a server displaces, and its return. ``servers`` are in the order in which they came.

    The kernel puts a server that comes before all others in its list (__ip_vs_update_dest), which take turns.
    """
    there = list(range(len(servers)))[::-1]
    left = [place for place in there if place != failed]
    before, during, after = (
        [order[place] for place in maglev.table([servers[each] for each in order])]
        for order in (there, left, [failed, *left])
    )
    return _counted(failed, before, during, after, f"Maglev, {maglev.TABLE_SIZE} places")


def displacement(rule: str, members: int, failed: int, entries: Sequence[int] = ()) -> Displacement:
    """What the failure of member ``failed``, counted from 0, displaces of the flows on so many members.

    ``entries``: how many entries of the table each member has, for the rule `BUCKETS`; by default as many as others.

    Errors: SpecError for an unknown rule, or a member that is not there or is the only one.
    """
    if rule not in (*RULES, BUCKETS):
        raise unknown("rule of placement", rule, (*RULES, BUCKETS))
    if members < 2 or not 0 <= failed < members:
        raise SpecError(f"member {failed} of {members} cannot fail and leave others; wanted 2 members or more")
    return buckets(entries or [1] * members, failed) if rule == BUCKETS else RULES[rule](members, failed)


def host_rule(bond: Bond) -> str:
    """The rule by which a bond places flows that differ in their ports. Errors: SpecError with the reason for none."""
    if bond.mode == "ecmp":  # by addresses and ports (networking/ip-sysctl.rst, fib_multipath_hash_policy=1)
        return BUCKETS if bond.ecmp_group == "resilient" else "threshold"
    if bond.mode not in HASH_MODES:
        raise SpecError(f"mode {bond.mode} does not place flows by a hash", f"Use one of {', '.join(HASH_MODES)}.")
    if bond.xmit_hash_policy not in WITH_PORTS:
        raise SpecError(
            f"xmit_hash_policy={bond.xmit_hash_policy} takes no ports in: two hosts' flows are on one member",
            f"Use one of {', '.join(WITH_PORTS)}.",
        )
    return "team-modulo" if bond.driver == "team" else "modulo"


def _over(values: Sequence[int], order: Sequence[int]) -> list[int]:
    return [order[value % len(order)] for value in values]


def _counted(
    failed: int, before: Sequence[int], during: Sequence[int], after: Sequence[int], label: str
) -> Displacement:
    """The shares of equally likely values of the hash."""
    total = len(before)
    lost = sum(place == failed for place in before)
    moved, back, astray = (_differ(*pair) for pair in ((before, during), (during, after), (before, after)))
    return Displacement(lost / total, moved / total, back / total, astray / total, label)


def _differ(one: Sequence[int], other: Sequence[int]) -> int:
    return sum(a != b for a, b in zip(one, other, strict=True))
