"""What the commands share: arguments that recur, and how results and errors reach the terminal."""

from __future__ import annotations

import errno
import os
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


def named(texts: list[str] | None, option: str) -> dict[str, str]:
    """The pairs of an option whose values are written NAME=VALUE."""
    pairs = {}
    for text in texts or ():
        name, sign, value = text.partition("=")
        if not sign or not name.strip():
            raise typer.BadParameter(f"{option} {text!r}: write it as NAME=VALUE")
        pairs[name.strip()] = value.strip()
    return pairs


def typed(settings: dict[str, str]) -> dict[str, str | int | float | bool]:
    """Settings with their numbers, and true and false, as such."""

    def value(text: str) -> str | int | float | bool:
        if text.lower() in ("true", "false"):
            return text.lower() == "true"
        for kind in (int, float):
            try:
                return kind(text)
            except ValueError:
                continue
        return text

    return {name: value(text) for name, text in settings.items()}


def interactive() -> bool:
    """Whether somebody looks on, so that progress bars are of use."""
    return sys.stderr.isatty() or sys.stdout.isatty()


def show(what: Any, *, width: int = 0) -> None:
    """Print a text as it is, or anything that rich can render, in a pipe or a file at least so many columns wide."""
    if isinstance(what, str):
        print(what, flush=True)  # a page's address is to be read while the page is served, in a pipe or a log too
        return
    from rich.console import Console

    console = Console()
    if not console.is_terminal and console.width < width:
        console = Console(width=width)
    console.print(what, highlight=False)


def in_words(error: Exception) -> str:
    """What went wrong and what to do; of an error of the system its file, in the place of its number."""
    if not isinstance(error, OSError) or error.filename is None or error.errno is None:
        return str(error)
    mends = {
        errno.ENOENT: "name one that is there",
        errno.ENOTDIR: "name another place",
        errno.EEXIST: "name another place",
        errno.EISDIR: "name a file",
        errno.EACCES: "change its permissions, or name another place",
        errno.EPERM: "change its permissions, or name another place",
        errno.EROFS: "name another place",
        errno.ENOSPC: "make room, or name another place",
    }
    mend = mends.get(error.errno)
    return f"{error.filename}: {os.strerror(error.errno).lower()}" + (f"; {mend}" if mend else "")


def complain(message: str) -> None:
    """Say in a line what went wrong, and go on."""
    print(f"labelhedge: {message}", file=sys.stderr)


def fail(message: str, *, status: int) -> NoReturn:
    """Say in a line what went wrong, and leave."""
    complain(message)
    raise SystemExit(status)
