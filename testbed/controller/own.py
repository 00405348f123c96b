"""Start a user's own application: python -m testbed.controller.own FILE PORT

The file is loaded under a name of our own, so it may be called as any module is; the files beside it can be imported.
What runs it, os-ken or Ryu, is what this Python has installed.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

from testbed.controller import framework
from testbed.errors import TestbedError

_MODULE = "testbed_own_controller"


def load(path: Path) -> None:
    """Execute the file as the module that `framework.run` looks for its application in."""
    spec = importlib.util.spec_from_file_location(_MODULE, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[_MODULE] = module
    sys.path.append(str(path.parent))  # last: a file there named like a module of the library does not replace it
    spec.loader.exec_module(module)


def main() -> None:
    """Listen until terminated."""
    file, port = sys.argv[1:]
    try:
        load(Path(file))
        framework.run(_MODULE, int(port))
    except TestbedError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
