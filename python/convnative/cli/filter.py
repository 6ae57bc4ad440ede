"""``convnative filter``: classical kernels on a photograph."""

from __future__ import annotations

import argparse
import textwrap
from pathlib import Path
from typing import Any

from .. import filters
from ._images import read_image, write_image
from ._output import CommandError, Output

_EXAMPLES = """\
examples:
  convnative filter photo.jpg --kernel sharpen -o sharp.png
  convnative filter photo.jpg --kernel sobel-horizontal --absolute -o edges.png
  convnative filter photo.jpg --kernel box --kernel gaussian -o folder    (one file for each kernel)
"""


def add_parser(commands: Any) -> argparse.ArgumentParser:
    """Describe the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "filter",
        help="apply classical kernels to a photograph",
        description=textwrap.fill(
            f"Apply kernels to a photograph. Kernels: {', '.join(filters.kernel_names())}.",
            break_on_hyphens=False,
        ),
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("image", type=Path, metavar="IMAGE", help="the photograph")
    parser.add_argument(
        "--kernel",
        action="append",
        required=True,
        metavar="NAME",
        help="the kernel; may be given several times",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar="OUT",
        help="the file to write; with several kernels, the folder",
    )
    parser.add_argument(
        "--absolute", action="store_true", help="show the magnitude, for kernels with negative answers"
    )
    return parser


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Filter the photograph and say where the result is."""
    try:
        kernels = {name: filters.kernel(name) for name in arguments.kernel}
    except ValueError as error:
        raise CommandError(str(error)) from error
    image = read_image(arguments.image)
    for name, kernel in kernels.items():
        path = arguments.output if len(kernels) == 1 else arguments.output / f"{name}.png"
        write_image(path, filters.apply(image, kernel, absolute=arguments.absolute))
        output.line(f"{name}: {path}")
    return 0
