"""The command `labelhedge`: one file a group of commands, one short function a command, no logic.

Heavy imports happen inside the functions, so that `labelhedge --help` answers at once.
"""

from __future__ import annotations

import typer

from labelhedge.cli import collect, corpus, graph, importing, review, runs, verify
from labelhedge.cli import collect_download as collect_download  # adds `download` to the group `collect`
from labelhedge.cli import crosslink as crosslink  # adds `crosslink` to the group `verify`
from labelhedge.cli import importing_photos as importing_photos  # adds `photos` to the group `import`
from labelhedge.cli.common import fail

app = typer.Typer(
    help="Train image classifiers from noisy labels, hedged by a small clean set and a graph of label relations.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    epilog="Start with: labelhedge demo",
)
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
        app()
    except (LabelhedgeError, OSError, ModuleNotFoundError, FloatingPointError) as error:
        fail(str(error), status=2)


if __name__ == "__main__":
    main()
