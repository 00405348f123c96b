"""Where the program starts: python -m testbed, and the command `testbed`."""

from __future__ import annotations

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
    main()
