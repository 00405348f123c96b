"""testbed kernel: build the guest kernel once, and show which one there is."""

from __future__ import annotations

import json
from pathlib import Path

import click
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

from testbed.backends import kernel as kernels
from testbed.backends.kernel_build import build
from testbed.cli.base import err, out
from testbed.errors import MachineError


@click.group()
def kernel() -> None:
    """Build or show the guest kernel.

    It is built once and kept outside the checkout.
    """


@kernel.command("build")
@click.option("--source", type=click.Path(path_type=Path), help="A Linux source: a directory or a tar archive.")
@click.option("--jobs", type=click.IntRange(min=1), help="Compilers at a time; default: one per processor.")
def kernel_build(source: Path | None, jobs: int | None) -> None:
    """Fetch the source, build the guest kernel, try it and keep it."""
    with Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        console=err,
    ) as bar:
        task = bar.add_task("the guest kernel", total=1.0)
        last = ""

        def progress(fraction: float | None, text: str) -> None:
            nonlocal last
            bar.update(task, completed=fraction or 0.0, description=text)
            if not err.is_terminal and text.partition(",")[0] != last:
                last = text.partition(",")[0]
                err.print(last)

        built = build(source, progress, jobs=jobs)
        bar.update(task, completed=1.0, description="ready")
    out.print(f"the guest kernel is ready: Linux {built.version} from {built.source}")


@kernel.command("info")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def kernel_info(as_json: bool) -> None:
    """Show which guest kernel there is; exit 3 if there is none."""
    found = kernels.find()
    if as_json:
        click.echo(json.dumps({"wanted": kernels.key(), "kernel": found.as_json() if found else None}))
    elif found is not None:
        out.print(f"Linux {found.version} from {found.source}\nin {found.path.parent}")
    if found is None:
        raise MachineError(
            f"the guest kernel is not built (wanted: {kernels.key()})",
            "Type: testbed kernel build (once, about 7 minutes)",
        )
