"""The command line: ``convnative COMMAND``, or ``python -m convnative COMMAND``.

Each command is a module with `add_parser`, which describes its arguments, and `run`, which does the work and
returns the exit status. Statuses: 0 done, 1 a result is not good enough, 2 the command could not be carried
out as asked, 130 interrupted.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from . import bench, demo, explore, filter, info, summary, train
from ._output import CommandError, Output

__all__ = ["main"]

_COMMANDS = (demo, train, filter, explore, summary, bench, info)

_EXAMPLES = """\
examples:
  convnative demo
  convnative train --epochs 20 -o digits.safetensors
  convnative filter photo.jpg --kernel sharpen --kernel edge -o filtered
  convnative explore photo.jpg
  convnative summary vgg16 --batch 8
  convnative bench
  convnative info
"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="convnative",
        description="Convolution, pooling and their gradients for NumPy arrays.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in _COMMANDS:
        command.add_parser(commands).set_defaults(run=command.run)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments; those of the process if not given.

    Returns
    -------
    int
        The exit status.
    """
    try:
        arguments = _parser().parse_args(argv)
    except SystemExit as exit:  # argparse has printed the help or the error
        return exit.code if isinstance(exit.code, int) else 2
    try:
        status: int = arguments.run(arguments, Output())
        sys.stdout.flush()
    except CommandError as error:
        print(f"convnative: error: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        # The reader of a pipe has gone; nothing may be written to it when the interpreter closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        print("convnative: interrupted", file=sys.stderr)
        return 130
    return status
