"""Start the controller: python -m testbed.controller CONFIGURATION PORT [APPLICATION]

It runs on os-ken, or on Ryu where Ryu is installed and os-ken is not. APPLICATION is a module of this package; the
default is app, our controller.
"""

from __future__ import annotations

import os
import sys

from testbed.controller import framework
from testbed.errors import TestbedError


def main() -> None:
    """Listen on the loopback address until terminated."""
    configuration, port, *application = sys.argv[1:]
    os.environ["TESTBED_CONTROLLER"] = configuration
    try:
        framework.run(f"testbed.controller.{(application or ['app'])[0]}", int(port))
    except TestbedError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
