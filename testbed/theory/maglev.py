"""Maglev hashing as the kernel's IPVS does it: which server has which entry of the table. Pure.

    server    a permutation of the table's places, from two hashes of its address and port
    table     the servers take turns; each takes the first place of its permutation that is free
    flow      the entry at the hash of its source address and port

D. Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load Balancer", NSDI 2016, 3.4. The kernel's scheduler
mh (net/netfilter/ipvs/ip_vs_mh.c) has fixed keys, so the table follows from the servers alone. Each weighs one.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

#: Places of the table: CONFIG_IP_VS_MH_TAB_INDEX=12, a prime below 2^12.
TABLE_SIZE = 4093
_OFFSET_KEY, _SKIP_KEY = 2_654_435_761, 2_654_446_892  # both words of each (generate_hash_secret)
_MASK = (1 << 64) - 1

Server = tuple[str, int]  # address and port


def _rotated(value: int, bits: int) -> int:
    return (value << bits | value >> (64 - bits)) & _MASK


def _round(v0: int, v1: int, v2: int, v3: int) -> tuple[int, int, int, int]:
    """SipRound (J.-P. Aumasson, D. Bernstein, "SipHash: a fast short-input PRF", 2012, section 2.3)."""
    v0, v2 = (v0 + v1) & _MASK, (v2 + v3) & _MASK
    v1, v3 = _rotated(v1, 13) ^ v0, _rotated(v3, 16) ^ v2
    v0, v2 = (_rotated(v0, 32) + v3) & _MASK, (v2 + v1) & _MASK
    v1, v3 = _rotated(v1, 17) ^ v2, _rotated(v3, 21) ^ v0
    return v0, v1, _rotated(v2, 32), v3


def siphash13(value: int, key: int) -> int:
    """SipHash-1-3 of four octets, the least significant first, with a key of two equal words: what hsiphash() is on
    64-bit machines (lib/siphash.c), before it is cut to 32 bits."""
    block = 4 << 56 | value & 0xFFFF_FFFF
    v0, v1, v2, v3 = (
        key ^ word for word in (0x736F6D6570736575, 0x646F72616E646F6D, 0x6C7967656E657261, 0x7465646279746573)
    )
    v0, v1, v2, v3 = _round(v0, v1, v2, v3 ^ block)
    v0, v2 = v0 ^ block, v2 ^ 0xFF
    for _ in range(3):
        v0, v1, v2, v3 = _round(v0, v1, v2, v3)
    return v0 ^ v1 ^ v2 ^ v3


def _hash(address: str, port: int, key: int) -> int:
    """ip_vs_mh_hashkey: of the sum of address and port."""
    return siphash13(int(ipaddress.IPv4Address(address)) + port, key) & 0xFFFF_FFFF


def table(servers: Sequence[Server], size: int = TABLE_SIZE) -> list[int]:
    """For each place of the table the number in ``servers`` of the one that has it; they take turns in their order."""
    at = [_hash(*server, _OFFSET_KEY) % size for server in servers]
    skips = [_hash(*server, _SKIP_KEY) % (size - 1) + 1 for server in servers]
    found = [-1] * size
    for turn in range(size):
        server = turn % len(servers)
        while found[at[server]] >= 0:
            at[server] = (at[server] + skips[server]) % size
        found[at[server]] = server
    return found


def entry_of_flow(source: Server, size: int = TABLE_SIZE) -> int:
    """The place of the table that a flow from this address and port takes (flag mh-port)."""
    return _hash(*source, _OFFSET_KEY) % size
