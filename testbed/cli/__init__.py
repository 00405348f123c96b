"""The verbs: the only package that prints for people, and that exits.

Exit codes: 0 done; 1 a trial failed or a bound was missed; 2 usage or specification; 3 the machine is not ready;
130 interrupted, resumable.
"""

from __future__ import annotations

import io
import logging
import platform
import shlex
import sys
import traceback
from collections.abc import Sequence
from typing import Any

import click

import testbed
from testbed.cli import ascii_only, signals
from testbed.cli.audit import audit
from testbed.cli.availability import availability
from testbed.cli.base import end_of_pipe, err, say, show_error
from testbed.cli.check import check
from testbed.cli.compare import compare
from testbed.cli.kernel import kernel
from testbed.cli.listing import list_, show
from testbed.cli.problems import explained
from testbed.cli.reproduce import reproduce
from testbed.cli.results import export, plot, report
from testbed.cli.run import argv_of, run
from testbed.cli.shell import clean, shell
from testbed.cli.state import state
from testbed.cli.verify import verify
from testbed.errors import SpecError
from testbed.run.provenance import commit


class _Commands(click.Group):
    """The commands. click would end with code 1 when the reader of a pipe has ended."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            end_of_pipe()


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(testbed.__version__, prog_name="testbed")
def cli() -> None:
    """A laboratory for link redundancy: real bonds, real switches, real faults, measured."""


for _command in (
    check,
    list_,
    show,
    kernel,
    run,
    audit,
    availability,
    plot,
    report,
    state,
    compare,
    verify,
    export,
    reproduce,
    shell,
    clean,
):
    cli.add_command(_command)


def main() -> None:
    """The entry point: every error that the user can correct becomes a message and an exit code.

    Anything else is a defect of ours and shows a traceback, with the request to report it.
    """
    signals.treat_as_ctrl_c()
    # Where it cannot write its cache, as with a read-only home, Matplotlib makes another, and says so at length.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal without UTF-8 shows drawings with + - |
            stream.reconfigure(errors=ascii_only.ERRORS)
    try:
        _refuse_empty(sys.argv[1:])
        code: Any = cli.main(standalone_mode=False)
        if sys.stdout is not None:  # closed by the caller: >&-
            sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        err.print("interrupted", style="yellow")
        sys.exit(signals.INTERRUPTED)
    except BrokenPipeError:
        end_of_pipe()
    except Exception as error:
        if (known := explained(error)) is None:
            _show_defect()
            sys.exit(1)
        show_error(known)
        sys.exit(known.exit_code)
    sys.exit(code if isinstance(code, int) else 0)


def _refuse_empty(words: Sequence[str]) -> None:
    """Errors: SpecError for an argument without a letter in it, which names nothing: a variable of a shell that is not
    set, in most cases."""
    for place, word in enumerate(words):
        option = word.removesuffix("=") if word.startswith("--") and word.endswith("=") else ""
        if word.strip() and not option:
            continue
        before = words[place - 1] if place and words[place - 1].startswith("-") else ""
        what = f"the value of {option or before}" if option or before else f"argument {place + 1}"
        raise SpecError(f"{what} is empty; wanted a name, a path or a number", "Leave it out, or give a value.")


def _show_defect() -> None:
    traceback.print_exc()
    what = (
        f"testbed {testbed.__version__}, commit {commit()}, Python {platform.python_version()}: {shlex.join(argv_of())}"
    )
    err.print("This is a defect of the testbed. Please report it with the lines above and this one:", style="red")
    say(what)
