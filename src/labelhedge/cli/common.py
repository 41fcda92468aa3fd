"""What the commands share: arguments that recur, and how results and errors reach the terminal."""

from __future__ import annotations

import sys
from typing import Annotated, Any, NoReturn

import typer

CorpusArgument = Annotated[str, typer.Argument(help="A corpus folder, or the name of an embedded corpus: clipart.")]


def group(help: str) -> typer.Typer:
    """A group of commands."""
    return typer.Typer(help=help, no_args_is_help=True, rich_markup_mode="markdown")


def given(**settings: Any) -> dict[str, Any] | None:
    """The settings that were given, or None where none was."""
    return {name: value for name, value in settings.items() if value is not None} or None


def interactive() -> bool:
    """Whether somebody looks on, so that progress bars are of use."""
    return sys.stderr.isatty() or sys.stdout.isatty()


def show(what: Any) -> None:
    """Print a text as it is, or anything that rich can render."""
    if isinstance(what, str):
        print(what)
        return
    from rich.console import Console

    Console().print(what, highlight=False)


def fail(message: str, *, status: int) -> NoReturn:
    """Say in a line what went wrong, and leave."""
    print(f"labelhedge: {message}", file=sys.stderr)
    raise SystemExit(status)
