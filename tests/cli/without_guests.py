"""The command line with a backend that boots nothing. Usage: without_guests.py QUICK WORD...

The first QUICK trials end at once, as failed ones with a reason; each later one lasts until it is ended.
"""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path

from testbed.__main__ import main
from testbed.backends.watchdog import Watchdog
from testbed.design.trial import Trial
from testbed.errors import TrialError
from testbed.run import prepare

_started = itertools.count(1)


class Backend:
    """Trials that do nothing."""

    name = "none"

    def run(self, directory: Path, trial: Trial, watchdog: Watchdog, cpu: int) -> None:
        if next(_started) > _QUICK:
            with subprocess.Popen(["sleep", "600"]) as process:
                try:
                    watchdog.wait(process, directory)
                finally:
                    process.kill()
        raise TrialError("nothing was run")


if __name__ == "__main__":
    _QUICK = int(sys.argv.pop(1))
    prepare.choose_backend = lambda *_: Backend()  # type: ignore[assignment]
    main()
