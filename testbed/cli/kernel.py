"""testbed kernel: build the guest kernel once, and show which one there is."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

from testbed.backends import kernel as kernels
from testbed.backends import kernel_pack as kernel_packs
from testbed.backends.kernel_build import build
from testbed.cli.base import err, out
from testbed.errors import MachineError


@click.group()
def kernel() -> None:
    """Build, show or hand on the guest kernel.

    It is built once and kept outside the checkout.
    """


@kernel.command("build")
@click.option("--source", type=click.Path(path_type=Path), help="A Linux source: a directory or a tar archive.")
@click.option("--jobs", type=click.IntRange(min=1), help="Compilers at a time; default: one per processor.")
@click.option("--again", is_flag=True, help="Build also if there is a kernel already.")
def kernel_build(source: Path | None, jobs: int | None, again: bool) -> None:
    """Fetch the source, build the guest kernel, try it and keep it."""
    with _progress() as progress:
        built = build(source, progress, jobs=jobs, again=again)
    out.print(f"the guest kernel is ready: Linux {built.version} from {built.source}")


@kernel.command("pack")
@click.argument("file", type=click.Path(path_type=Path))
def kernel_pack(file: Path) -> None:
    """Write the guest kernel into FILE.

    Another machine with the same processor architecture can then unpack it instead of building.
    """
    packed = kernel_packs.pack(file)
    _show(packed)
    out.print(f"in {file}", soft_wrap=True, markup=False)


@kernel.command("unpack")
@click.argument("file", type=click.Path(path_type=Path))
def kernel_unpack(file: Path) -> None:
    """Take the guest kernel from FILE, which `testbed kernel pack` wrote; try it and keep it."""
    with _progress() as progress:
        found = kernel_packs.unpack(file, progress)
    _show(found)


def _show(found: kernels.Kernel) -> None:
    """Which kernel it is."""
    lines = [f"Linux {found.version} from {found.source}"]
    if found.source_sha256 is not None:
        lines.append(f"source sha256 {found.source_sha256}")
    lines += [f"{name} sha256 {digest}" for name, digest in found.sha256.items()]
    for line in lines:
        out.print(line, soft_wrap=True, markup=False, highlight=False)


@contextmanager
def _progress() -> Iterator[Callable[[float | None, str], None]]:
    """A progress bar; where the output is no terminal, a line for each step."""
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

        yield progress
        bar.update(task, completed=1.0, description="ready")


@kernel.command("info")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def kernel_info(as_json: bool) -> None:
    """Show which guest kernel there is; exit 3 if there is none."""
    found = kernels.find()
    if as_json:
        other = kernels.another() if found is None else None
        shown = {"kernel": found.as_json() if found else None, "other": other.as_json() if other else None}
        click.echo(json.dumps({"wanted": kernels.key(), **shown}))
    elif found is not None:
        _show(found)
        out.print(f"in {found.path.parent}", soft_wrap=True, markup=False)
    if found is None:
        raise MachineError(
            f"{kernels.lacking()} (wanted: {kernels.key()})",
            "Type: testbed kernel build (once, about 7 minutes)",
        )
