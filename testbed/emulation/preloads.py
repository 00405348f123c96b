"""Small libraries of C that a program gets before its own (LD_PRELOAD): in virtual time, work takes no time.

pause   a rest before each netlink message      teamd, which answers every answer with the next request
polls   a rest after polls that find nothing    FRR's daemons, which poll without waiting until a timer is due
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from testbed.errors import MachineError

#: Where the runtime image has them, compiled (testbed.backends.runtime.contents).
_READY = Path("/usr/lib/testbed")


def environment(name: str, directory: Path, needs: str) -> dict[str, str]:
    """What a program needs in its environment to be started with the library ``name``.

    It is compiled into ``directory`` where no runtime image has it. ``needs`` says what the program is.

    Errors: MachineError without a C compiler.
    """
    library = _READY / f"{name}.so"
    if not library.exists():
        if not shutil.which("gcc"):
            raise MachineError(f"gcc is not installed; {needs} needs it", "Type: apt-get install gcc")
        library = directory / f"{name}.so"
        source = Path(__file__).with_name(f"{name}.c")
        command = ["gcc", "-shared", "-fPIC", "-O1", "-o", str(library), str(source), "-ldl"]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return {"LD_PRELOAD": str(library)}
