"""What the commands share to talk to the user: plain text when piped, rich on a terminal."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..summary import Summary

Advance = Callable[..., None]


class CommandError(Exception):
    """The command cannot be carried out as asked: one line for the user, exit status 2."""


_PACKAGES = {"sklearn": "scikit-learn", "PIL": "pillow"}


def require(module: str) -> Any:
    """Import a module of an optional package, or say how to install it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        root = module.partition(".")[0]
        raise CommandError(
            f"this command needs {_PACKAGES.get(root, root)}: pip install 'convnative[demo]'"
        ) from error


def positive_int(text: str) -> int:
    """Parse an option that is an int of at least 1."""
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"expected an int >= 1, received {text!r}")
    return value


def positive_float(text: str) -> float:
    """Parse an option that is a finite number above 0."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a number > 0, received {text!r}")
    return value


def _nothing(_steps: int, _text: str = "") -> None:
    """Advance a bar that is not shown."""


class Output:
    """Prints to standard output: tables and progress bars where rich is installed and a person looks on."""

    def __init__(self) -> None:
        self._console: Any = None
        if sys.stdout.isatty():
            try:
                from rich.console import Console
            except ImportError:
                return
            self._console = Console(highlight=False)

    def heading(self, text: str) -> None:
        """Print the title of a section."""
        if self._console is not None:
            self._console.print(f"\n[bold cyan]{text}[/]")
        else:
            print(f"\n{text}")

    def line(self, text: str = "") -> None:
        """Print a line as it is."""
        if self._console is not None:
            self._console.print(text, markup=False, soft_wrap=True)
        else:
            print(text)

    def summary(self, summary: Summary) -> None:
        """Print the table of a model."""
        if self._console is not None:
            self._console.print(summary)
        else:
            print(summary)

    def table(self, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Print a table whose first column is text and whose others are numbers."""
        if self._console is not None:
            from rich.table import Table

            table = Table(header_style="bold")
            for column, heading in enumerate(headings):
                table.add_column(heading, justify="right" if column else "left")
            for row in rows:
                table.add_row(*row)
            self._console.print(table)
            return
        widths = [max(len(row[column]) for row in [headings, *rows]) for column in range(len(headings))]
        for row in [headings, *rows]:
            first, *others = (
                cell.rjust(width) if column else cell.ljust(width)
                for column, (cell, width) in enumerate(zip(row, widths, strict=True))
            )
            print("  ".join([first, *others]).rstrip())

    @contextmanager
    def progress(self, total: int) -> Iterator[Advance]:
        """Show a bar on a terminal; yield a function of the steps done and a text to show beside it."""
        if self._console is None:
            yield _nothing
            return
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}"))
        with Progress(*columns, console=self._console) as bar:
            task = bar.add_task("", total=total)

            def advance(steps: int, text: str = "") -> None:
                bar.update(task, advance=steps, description=text)

            yield advance
