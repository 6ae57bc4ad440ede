"""``convnative summary``: the layers of a network and what they cost."""

from __future__ import annotations

import argparse
from typing import Any

from ..init import skip_random
from ..summary import summary
from ._architectures import ARCHITECTURES
from ._output import CommandError, Output, positive_int

_EXAMPLES = """\
examples:
  convnative summary
  convnative summary lenet5 --batch 64
  convnative summary resnet50
  convnative summary digits --size 10 11
  convnative summary lenet5 --compare dense
"""


def add_parser(commands: Any) -> argparse.ArgumentParser:
    """Describe the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "summary",
        help="show shapes, parameters, MACs, memory and receptive field of a network",
        description="Show output shapes, parameters, MACs, memory and receptive field of a network.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "network",
        nargs="?",
        default="digits",
        choices=ARCHITECTURES,
        metavar="NETWORK",
        help=f"one of {', '.join(ARCHITECTURES)} (default: digits)",
    )
    parser.add_argument(
        "--batch", type=positive_int, default=1, metavar="N", help="images at once (default: 1)"
    )
    parser.add_argument(
        "--size", type=positive_int, nargs=2, metavar=("H", "W"), help="height and width of the images"
    )
    parser.add_argument(
        "--compare",
        choices=["dense"],
        metavar="dense",
        help="add what dense, translation-invariant and local layers in place of the convolutions would have",
    )
    return parser


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Print the table."""
    architecture = ARCHITECTURES[arguments.network]
    channels, *size = architecture.input_shape
    shape = (arguments.batch, channels, *(arguments.size or size))
    try:
        with skip_random():  # the table needs no values
            table = summary(architecture.build(), shape, compare=arguments.compare)
    except ValueError as error:
        raise CommandError(f"{arguments.network}: {error}") from error
    output.summary(table)
    return 0
