"""What the commands share: where they print, how errors and hints are printed, and how --set is read."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from pathlib import Path
from typing import NoReturn

from rich.console import Console

from testbed.errors import MachineError, SpecError, TestbedError, UnknownName

#: A command in a hint: the program's name, then a verb. Not "the testbed needs ...".
_COMMAND = re.compile(r"(?<![\w/.-])(?<![Tt]he )testbed(?= [a-z]+)")
#: As a shell ends when SIGPIPE ends its last command: 128 + 13 (signal(7)).
BROKEN_PIPE = 141


class _Printer(Console):
    """A console. When the reader of a pipe has ended, as in ``testbed list | head``, the command ends as well."""

    def on_broken_pipe(self) -> NoReturn:
        end_of_pipe()


def end_of_pipe() -> NoReturn:
    """End because nobody reads what is printed."""
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python says so again at its end
    sys.exit(BROKEN_PIPE)


# A file has no width: what goes to one may be wide, unless COLUMNS says otherwise (POSIX, environment variables).
_WIDE = None if "COLUMNS" in os.environ or (sys.stdout is not None and sys.stdout.isatty()) else 120
out = _Printer(highlight=False, width=_WIDE)
err = _Printer(stderr=True, highlight=False)


def program() -> str:
    """How this program was started, as one types it again: ``testbed``, ``.venv/bin/testbed`` ..."""
    started = Path(sys.argv[0])
    if started.name == "__main__.py":  # python -m testbed
        return shlex.join([sys.orig_argv[0], "-m", "testbed"])
    found = shutil.which(started.name)
    if found is not None and started.exists() and Path(found).samefile(started):
        return started.name
    if started.is_absolute() and started.is_relative_to(Path.cwd()):
        started = started.relative_to(Path.cwd())
    return shlex.quote(str(started)) if started.name == "testbed" else "testbed"


def typed(text: str) -> str:
    """A text with each ``testbed VERB`` in it as one types it here."""
    name = program()
    return _COMMAND.sub(lambda _: name, text)


def say(text: str, style: str | None = None) -> None:
    """Print a message for people on the standard error, in one line, so that a command in it can be copied."""
    err.print(text, style=style, soft_wrap=True, markup=False)


def show_error(error: TestbedError) -> None:
    """Print an error and its hint. Of an unknown name first what may have been meant, then the known ones."""
    message, hint = error.message, error.hint
    if isinstance(error, UnknownName):
        message = f"unknown {error.kind} {error.found!r}"
        hint = f"{error.hint}\nThe known ones are: {', '.join(error.known)}".lstrip()
    say(f"testbed: {message}", "red")
    if hint:
        say(typed(hint))


def writable(file: Path | None) -> Path:
    """The file that is to be written. Errors: SpecError if it cannot be: found before any work is done."""
    assert file is not None
    parent = file.parent
    if not parent.is_dir():
        what = "is a file" if parent.exists() else "is no directory"
        hint = "Give another path." if parent.exists() else f"Type: mkdir -p {shlex.quote(str(parent))}"
        raise SpecError(f"{parent} {what}; wanted one to write {file.name} into", hint)
    if file.is_dir():
        raise SpecError(f"{file} is a directory; wanted a file", "Give the name of a file in it.")
    if not os.access(file if file.exists() else parent, os.W_OK):
        raise MachineError(f"{file} cannot be written by this user", "Give another path, or change its permissions.")
    return file


def settings_of(words: tuple[str, ...]) -> dict[str, str]:
    """The settings ``--set NAME=LEVEL,...`` as a mapping from name to levels. Errors: SpecError."""
    found: dict[str, str] = {}
    for word in words:
        name, equals, levels = word.partition("=")
        if not equals or not name or not levels:
            raise SpecError(f"--set {word} is not FACTOR=LEVEL", "For example: --set mode=802.3ad --set members=1,2,4")
        if name in found:
            raise SpecError(f"--set {name} is given twice", f"Give all its levels at once: --set {name}=A,B")
        found[name] = levels
    return found
