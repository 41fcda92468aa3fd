"""The command `labelhedge`: one file a group of commands, one short function a command, no logic.

Heavy imports happen inside the functions, so that `labelhedge --help` answers at once.
"""

from __future__ import annotations

from typing import Any

import typer

from labelhedge.cli import collect, corpus, graph, importing, review, runs, verify
from labelhedge.cli import collect_download as collect_download  # adds `download` to the group `collect`
from labelhedge.cli import crosslink as crosslink  # adds `crosslink` to the group `verify`
from labelhedge.cli import importing_photos as importing_photos  # adds `photos` to the group `import`
from labelhedge.cli.common import fail, in_words

app = typer.Typer(
    help="Train image classifiers from noisy labels, hedged by a small clean set and a graph of label relations.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    epilog="Start with: labelhedge demo",
)
USAGE_ERROR: Any = typer.BadParameter.__base__
"""Of every error in arguments: of click, or in later versions of typer its own, which it does not export."""
GROUPS = {"collect": collect.app, "corpus": corpus.app, "graph": graph.app, "verify": verify.app}

app.add_typer(runs.app)
app.add_typer(review.app)
corpus.app.add_typer(importing.app, name="import")
for name, group in GROUPS.items():
    app.add_typer(group, name=name)


def main() -> None:
    """Run the command line; what the user can mend is said in a line and not as a traceback."""
    from labelhedge.errors import LabelhedgeError

    try:
        status = app(standalone_mode=False)  # typer itself would draw a box around what is wrong with an argument
    except USAGE_ERROR as error:
        message = error.format_message().rstrip(".")
        if not message:  # a group without a command has printed its help
            raise SystemExit(error.exit_code) from error
        see = f" (see `{error.ctx.command_path} --help`)" if error.ctx else ""
        fail(message[0].lower() + message[1:] + see, status=error.exit_code)
    except typer.Abort:
        fail("stopped", status=130)
    except (LabelhedgeError, OSError, ModuleNotFoundError, FloatingPointError) as error:
        fail(in_words(error), status=2)
    if status:
        raise SystemExit(status)


if __name__ == "__main__":
    main()
