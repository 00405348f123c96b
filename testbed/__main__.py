"""Where the program starts: python -m testbed, and the command `testbed`."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run the command line. Ctrl-C is answered from the first moment on: our modules take half a second to load."""
    try:
        from testbed import cli
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    cli.main()


if __name__ == "__main__":
    if not sys.flags.safe_path:
        # Python puts the current directory first; a file random.py or a folder experiments/ there must replace nothing.
        sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    main()
