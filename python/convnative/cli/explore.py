"""``convnative explore``: a page on which a reader moves a kernel over a picture."""

from __future__ import annotations

import argparse
import base64
import html
import json
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import filters
from ._images import Photograph, read_image
from ._output import CommandError, Output, require

_EXAMPLES = """\
examples:
  convnative explore photo.jpg
  convnative explore photo.jpg --kernel sobel-horizontal -o edges.html
"""

# More numbers than this do not fit beside each other.
_MOST_TAPS = 7
_SIZES = range(8, 257)


def add_parser(commands: Any) -> argparse.ArgumentParser:
    """Describe the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "explore",
        help="write a page on which a kernel moves over a picture",
        description="Write one HTML page that needs no network: move over the picture and see the window, "
        "the kernel, the products and their sum; edit the kernel's numbers and see the filtered picture "
        "change.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("image", type=Path, metavar="IMAGE", help="the photograph; it is shown in grey")
    parser.add_argument(
        "--kernel",
        default="laplacian8",
        metavar="NAME",
        help="the kernel to begin with (default: %(default)s)",
    )
    parser.add_argument(
        "--size",
        type=_size,
        default=160,
        metavar="N",
        help=f"largest height and width of the picture, {_SIZES[0]} to {_SIZES[-1]} (default: 160)",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="OUT",
        help="the page to write (default: the image's name and -explore.html, in this folder)",
    )
    return parser


def _size(text: str) -> int:
    if text.isdecimal() and int(text) in _SIZES:
        return int(text)
    raise argparse.ArgumentTypeError(f"expected an int from {_SIZES[0]} to {_SIZES[-1]}, received {text!r}")


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Write the page and say where it is."""
    kernels = _kernels()
    if arguments.kernel not in kernels:
        raise CommandError(f"kernel: expected one of {', '.join(kernels)}, received {arguments.kernel!r}")
    image = _small_and_grey(read_image(arguments.image), arguments.size)
    path = arguments.output or Path(f"{arguments.image.stem}-explore.html")
    if path.resolve() == arguments.image.resolve():
        raise CommandError(f"{path}: expected another file to write, this is the image")
    page = _page(arguments.image.name, image, kernels, arguments.kernel)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise CommandError(f"{path}: cannot write ({error.strerror or error})") from error
    output.line(f"{image.shape[1]} x {image.shape[0]} pixels: {path}")
    return 0


def _kernels() -> dict[str, list[list[float]]]:
    """Return the library's kernels that fit on the page, by name."""
    all_kernels = {name: filters.kernel(name) for name in filters.kernel_names()}
    return {
        name: kernel.tolist()
        for name, kernel in all_kernels.items()
        if max(kernel.shape) <= _MOST_TAPS and all(size % 2 for size in kernel.shape)
    }


def _small_and_grey(pixels: Photograph, size: int) -> NDArray[np.uint8]:
    shades = pixels if pixels.dtype == np.uint8 else (pixels >> 8).astype(np.uint8)
    image = require("PIL.Image").fromarray(shades).convert("L")
    image.thumbnail((size, size))
    return np.asarray(image)


def _page(name: str, image: NDArray[np.uint8], kernels: dict[str, list[list[float]]], first: str) -> str:
    data = {
        "height": image.shape[0],
        "width": image.shape[1],
        "pixels": base64.b64encode(image.tobytes()).decode(),
        "kernels": kernels,
        "first": first,
    }
    template = (resources.files(__package__) / "_explore.html").read_text(encoding="utf-8")
    # "<" may stand in no string of a script, or "</script>" in the name of a kernel would end it.
    script = json.dumps(data).replace("<", "\\u003c")
    return template.replace("{{data}}", script).replace("{{name}}", html.escape(name))
