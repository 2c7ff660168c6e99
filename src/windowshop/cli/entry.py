"""The `windowshop` command: its subcommands, and errors as one message."""

import os
import warnings
from pathlib import Path
from typing import Annotated

import typer

from windowshop._version import __version__
from windowshop.cli import (
    checking,
    encoding,
    exporting,
    fetching,
    importing,
    judging,
    planning,
    pushing,
    searching,
    training,
    updating,
)
from windowshop.cli import demo as demos
from windowshop.cli.options import err, out
from windowshop.errors import ConfigError, WindowshopError, named_shortage

app = typer.Typer(
    help="Multimodal product search: check, train, evaluate, index, search.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
STOPPED = 130
"""Exit code of a command that was interrupted."""

for command in (
    checking.check,
    fetching.fetch_images,
    training.train,
    training.evaluate,
    training.mine_negatives,
    training.compare,
    encoding.encode,
    searching.index,
    updating.update,
    pushing.push,
    searching.revert_index,
    searching.tune,
    searching.export_onnx,
    exporting.export,
    searching.search,
    searching.serve,
    searching.mcp,
    judging.judgements,
    judging.queries,
    judging.judge,
    planning.plan,
    demos.demo,
    demos.demo_data,
):
    app.command()(command)
app.command("import")(importing.import_export)


@app.callback(invoke_without_command=True)
def before(
    context: typer.Context,
    show: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Handle the options before a command, and refuse what cannot run in several processes."""
    if show:
        out.print(f"windowshop {__version__}")
        raise typer.Exit()
    name, processes = context.invoked_subcommand, os.environ.get("WORLD_SIZE", "1")
    if name not in (None, "train") and processes != "1":
        raise ConfigError(
            f"{name}: torchrun started {processes} processes (WORLD_SIZE), and `train` alone runs "
            "in several. Run it without torchrun."
        )


def main() -> None:
    """Run the command line; user errors are one message, not a traceback."""
    # Progress bars are ours; a library's own would break them.
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    # Threads that wait should soon sleep: spinning ones take the cores from other processes.
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    warnings.filterwarnings("ignore", module="PIL")
    try:
        with named_shortage(Path.cwd()):
            app()
    except WindowshopError as error:
        err.print("error: ", style="bold red", end="")
        err.print(str(error), highlight=False, markup=False, soft_wrap=True)
        raise SystemExit(1) from None
    except (KeyboardInterrupt, SystemExit) as end:  # typer makes one of the other
        if isinstance(end, SystemExit) and end.code != STOPPED:
            raise
        err.print("stopped; run the same command again to go on")
        raise SystemExit(STOPPED) from None
