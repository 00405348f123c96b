"""The verbs: the only package that prints for people, and that exits.

Exit codes: 0 done; 1 a trial failed or a bound was missed; 2 usage or specification; 3 the machine is not ready;
130 interrupted, resumable.
"""

from __future__ import annotations

import sys
from typing import Any

import click

import testbed
from testbed.cli.audit import audit
from testbed.cli.base import err
from testbed.cli.compare import compare
from testbed.cli.kernel import kernel
from testbed.cli.listing import check, list_, show
from testbed.cli.reproduce import reproduce
from testbed.cli.results import export, plot, report
from testbed.cli.run import run
from testbed.cli.shell import clean, shell
from testbed.cli.state import state
from testbed.cli.verify import verify
from testbed.errors import TestbedError


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
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
    """The entry point: every error that the user can correct becomes a message and an exit code."""
    try:
        code: Any = cli.main(standalone_mode=False)
    except TestbedError as error:
        err.print(f"testbed: {error.message}", style="red", soft_wrap=True, markup=False)
        if error.hint:
            err.print(error.hint, soft_wrap=True, markup=False)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        err.print("interrupted", style="yellow")
        sys.exit(130)
    sys.exit(code if isinstance(code, int) else 0)
