"""The program that keepalived tells of servers: it notes each line with the seconds since the epoch (lvs_notify_fifo).

python notify_program.py LOG FIFO      it ends when keepalived, which writes into FIFO, is gone
"""

from __future__ import annotations

import sys
import time
from pathlib import Path


def note(log: Path, fifo: Path) -> None:
    """Add each line that comes to the log at once."""
    with fifo.open() as told, log.open("a", buffering=1) as noted:
        for line in told:
            noted.write(f"{time.time():.6f} {line}")


if __name__ == "__main__":
    note(Path(sys.argv[1]), Path(sys.argv[2]))
