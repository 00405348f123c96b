"""Start the controller: python -m testbed.controller CONFIGURATION PORT"""

from __future__ import annotations

import logging
import os
import sys

from os_ken import cfg
from os_ken.base.app_manager import AppManager

from testbed.errors import TestbedError


def main() -> None:
    """Listen on the loopback address until terminated."""
    logging.basicConfig(level=logging.WARNING)
    configuration, port = sys.argv[1], int(sys.argv[2])
    os.environ["TESTBED_CONTROLLER"] = configuration
    cfg.CONF(args=["--ofp-listen-host", "127.0.0.1", "--ofp-tcp-listen-port", str(port)], project="os_ken")
    try:
        AppManager.run_apps(["testbed.controller.app", "os_ken.controller.ofp_handler"])
    except TestbedError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
