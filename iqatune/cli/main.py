"""`iqatune`: finds the verb, and turns every way to fail into a line and an exit code.

Exit codes: 0 done; 1 the work was done and the answer is no; 2 bad usage or bad input; 70 a defect of iqatune itself;
130 interrupted, with what was done kept.
"""

import _thread
import importlib
import os
import shlex
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence

import click

from iqatune.cli.log_lines import log_lines
from iqatune.cli.terminal import prepare_streams, tell
from iqatune.cli.variables import warnings_of_unknown
from iqatune.errors import InputError, did_you_mean
from iqatune.runtime.memory import prepare_memory
from iqatune.runtime.python_warnings import plain_warnings
from iqatune.runtime.threads import prepare_threads
from iqatune.version import __version__

BAD_INPUT = 2
DEFECT = 70
INTERRUPTED = 130

# a verb's module is imported when the verb is used: `iqatune --help` stays quick
VERBS = {
    "search": "Tune a metric's weights to human scores.",
    "frontier": "Find cheaper metrics, and what they lose in agreement.",
    "sweep": "Search a grid of data sets, backbones and searchers.",
    "evaluate": "Score tuned metrics on a data set.",
    "fuse": "Fuse several metrics into one.",
    "robust": "Measure how much of a metric's agreement remains on degraded images.",
    "report": "Write tables and figures of all results in a folder.",
    "score": "Score image pairs with a tuned metric.",
    "export": "Write a tuned metric to a file for use elsewhere.",
    "replay": "Recompute every figure of a record.",
    "extract": "Compute and store the statistics of a data set.",
    "cache": "Show what is in the cache, and clear it.",
    "doctor": "Check data, CNN, searchers and device before a search.",
    "bench": "Measure the speed of this machine, and of other packages.",
    "list": "List data sets, backbones, searchers, spaces or baselines.",
}

GOES_ON: frozenset[str] = frozenset({"search", "frontier", "sweep", "extract"})
"""Verbs that go on where they were interrupted."""

KEEPS_STATISTICS: frozenset[str] = frozenset({"evaluate", "fuse", "robust", "report", "replay"})
"""Verbs of whose work the cache keeps the longest part, the statistics of images, as they are computed."""

EXAMPLES = """\b
Examples:
  iqatune search --dataset demo --backbone squeezenet --backbone-weights random --searcher random
  iqatune search --dataset tid2013 --data-root ~/data/tid2013 --backbone vgg19 --searcher bohb
  iqatune evaluate runs/tid2013/vgg19/bohb-stage-s0/result.json --dataset csiq --data-root ~/data/csiq
"""


class Verbs(click.Group):
    """A group whose commands are imported when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        return _command(cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in VERBS and not args[0].startswith("-"):
            raise InputError(f"no verb is called '{args[0]}'; {did_you_mean(args[0], VERBS)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Verbs"):
            formatter.write_dl(list(VERBS.items()))


def _command(verb: str) -> click.Command:
    command: click.Command = importlib.import_module(f"iqatune.cli.{verb}").command
    return command


@click.group(cls=Verbs, epilog=EXAMPLES, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="iqatune")
@click.option("--debug", is_flag=True, expose_value=False, help="Show the traceback of an error.")
def cli() -> None:
    """Tune image quality metrics of the DISTS family to human scores.

    A metric compares a reference image with a distorted one in the feature maps of a pretrained CNN. iqatune
    computes the statistics of every image pair once. A search algorithm then finds the metric's weights that agree
    best with the human scores.
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in arguments
    try:
        for line in warnings_of_unknown(os.environ, _commands(arguments)):
            tell(f"warning: {line}")
        with log_lines():
            code = cli.main(
                args=arguments, prog_name="iqatune", standalone_mode=False, obj=shlex.join(("iqatune", *arguments))
            )
        sys.stdout.flush()
    except InputError as error:
        return _fail(error.command_line, BAD_INPUT, debug=debug)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return BAD_INPUT
    except click.ClickException as error:
        return _fail(_one_line(error), BAD_INPUT, debug=debug)
    except (click.Abort, KeyboardInterrupt):
        return _fail(f"interrupted; {_kept(arguments)}", INTERRUPTED, debug=debug)
    except (BrokenPipeError, SystemExit):
        # the reader of a pipe has gone (as in `iqatune list backbones | head -1`), which click makes an exit of
        _leave_stdout()
        return 0
    except OSError as error:
        if error.filename is None:
            _leave_stdout()
        return _fail(f"{error.filename or 'stdout'}: {error.strerror or error}", BAD_INPUT, debug=debug)
    except MemoryError:
        return _fail("not enough memory; free some, or do less at once", BAD_INPUT, debug=debug)
    except Exception as error:  # noqa: BLE001 the last line of defence: a defect is told in a line, and exits as one
        line = " ".join(f"internal error ({type(error).__name__}: {error}); --debug shows where".split())
        return _fail(line, DEFECT, debug=debug)
    return code if isinstance(code, int) else 0


def _commands(arguments: Sequence[str]) -> Iterator[click.Command]:
    """The commands of all verbs, that of the verb named first; each is imported when it is its turn."""
    for verb in sorted(VERBS, key=lambda verb: verb not in arguments):
        yield _command(verb)


def _kept(arguments: Sequence[str]) -> str:
    """What an interrupt leaves of a verb's work, and what the same command does with it."""
    verb = next((argument for argument in arguments if argument in VERBS), None)
    if verb in GOES_ON:
        return "what was done is kept, and the same command goes on where it stopped"
    if verb in KEEPS_STATISTICS:
        return "computed statistics are kept, and the same command goes on from them"
    return "the same command starts again from the beginning"


def _leave_stdout() -> None:
    """Let what could not be written go nowhere: Python would try once more when it ends, and exit with 120."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def _one_line(error: click.ClickException) -> str:
    line = " ".join(error.format_message().split())
    if isinstance(error, click.UsageError) and error.ctx is not None:
        line = line.rstrip(".") + f"; see '{error.ctx.command_path} --help'"
    return line


def _fail(line: str, code: int, *, debug: bool) -> int:
    if debug:
        traceback.print_exc()
    tell(f"iqatune: {line}")
    return code


def _let_interrupt() -> None:
    """Have SIGTERM and the end of a terminal (SIGHUP) do what Ctrl-C does, if whoever started this let them be."""
    # a background job of a shell starts with SIGINT ignored; an interrupt sent to it on purpose still counts
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        # nohup starts programs with SIGHUP ignored
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, signal.default_int_handler)
    sys.unraisablehook = _interrupt_again


def _interrupt_again(lost: "sys.UnraisableHookArgs") -> None:
    """Python drops an exception that comes while an object is deleted, and an interrupt comes when it likes."""
    if lost.exc_type is not KeyboardInterrupt:
        sys.__unraisablehook__(lost)
        return
    # a moment later: here it would be dropped, too
    again = threading.Timer(0.05, _thread.interrupt_main)
    again.daemon = True
    again.start()


def script() -> None:
    """The console script."""
    _let_interrupt()
    prepare_memory()
    prepare_threads()
    plain_warnings()
    if not prepare_streams():
        sys.exit(_fail("stdout: is closed; send it to a file, or to /dev/null", BAD_INPUT, debug=False))
    sys.exit(main())


if __name__ == "__main__":
    script()
