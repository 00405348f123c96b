"""The limits that Mininet raises: of its process, and of the whole kernel where that is the trial's own."""

from __future__ import annotations

import resource
from pathlib import Path

from mininet.net import Mininet
from mininet.util import rlimitTestAndSet

#: A limit of the whole kernel: only its first network namespace shows it (net/core/sysctl_net_core.c).
_KERNELS = Path("/proc/sys/net/core/netdev_max_backlog")
_OPEN_FILES, _PROCESSES = 16384, 8192  # as Mininet has them


def raised() -> None:
    """Before Mininet starts: in a namespace of a machine's kernel it must raise this process's limits only.

    It would try to raise the machine's, fail where the namespace does not permit it, and print a warning.
    """
    if not _KERNELS.exists():
        rlimitTestAndSet(resource.RLIMIT_NPROC, _PROCESSES)
        rlimitTestAndSet(resource.RLIMIT_NOFILE, _OPEN_FILES)
        Mininet.inited = True
