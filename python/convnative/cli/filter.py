"""``convnative filter``: classical kernels on a photograph, or on a folder of them."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import filters
from ._images import Photograph, image_suffixes, read_image, write_image
from ._output import CommandError, Output
from ._pictures import filtered_photographs

_EXAMPLES = """\
examples:
  convnative filter photo.jpg -k sharpen -o sharp.png
  convnative filter photo.jpg -k sobel-horizontal --absolute -o edges.png
  convnative filter photo.jpg -k "0 1 0; 1 -4 1; 0 1 0" -k gaussian:2.5 -k mine.json -o sheet.png
  convnative filter photo.jpg -k box:9 -k gaussian -o folder    (one file for each kernel)
  convnative filter photographs -k emboss -o folder             (one file for each photograph)
"""

Kernels = dict[str, NDArray[np.float64]]


def add_parser(commands: Any) -> argparse.ArgumentParser:
    """Describe the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "filter",
        help="apply classical kernels to photographs",
        description=textwrap.fill(
            "Apply kernels to a photograph, or to each in a folder. A kernel is a name "
            f"({', '.join(filters.kernel_names())}; box, gaussian and shift take numbers, as in box:9), a "
            "file (.npy, .json or text), or its numbers, row by row.",
            break_on_hyphens=False,
        ),
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("image", type=Path, metavar="IMAGE", help="the photograph, or a folder of them")
    parser.add_argument(
        "-k",
        "--kernel",
        action="append",
        required=True,
        metavar="KERNEL",
        help="a name, a file or numbers; may be given several times",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar="OUT",
        help="the file to write, with several kernels a contact sheet of all of them; or the folder",
    )
    parser.add_argument(
        "--absolute", action="store_true", help="show the magnitude, for kernels with negative answers"
    )
    parser.add_argument(
        "--border",
        default="replicate",
        metavar="BORDER",
        help="what lies outside: replicate, reflect, symmetric, circular, zeros or a number "
        "(default: %(default)s)",
    )
    return parser


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Filter the photographs and say where the results are."""
    kernels = dict(map(_kernel, arguments.kernel))
    border = _border(arguments.border)
    # A file for the results of several kernels is a contact sheet of them.
    sheet = len(kernels) > 1 and bool(arguments.output.suffix)
    failures = []
    for source, target in _files(arguments.image, arguments.output, several=len(kernels) > 1):
        try:
            image = read_image(source)
            results = {
                name: filters.correlate(image, kernel, border=border, absolute=arguments.absolute)
                for name, kernel in kernels.items()
            }
            for name, path in _write(image, kernels, results, target, sheet=sheet):
                output.line(f"{name}: {path}")
        except CommandError as error:
            if source == arguments.image:
                raise
            failures.append(str(error))  # the others of the folder are still filtered
    if failures:
        raise CommandError("; ".join(failures))
    return 0


def _kernel(text: str) -> tuple[str, NDArray[np.float64]]:
    """Return the name and the numbers of a kernel: those written out, those of a file or those of a name."""
    try:
        if text.strip(" 0123456789.,;/*()+-eE\n") == "" and any(map(str.isdigit, text)):
            return "custom " + " ".join(text.split()), filters.parse_kernel(text)
        path = Path(text)
        if path.suffix or len(path.parts) > 1:
            if path.is_file():
                return path.stem, filters.load_kernel(path)
            if ":" not in text:
                raise CommandError(f"kernel: expected a file, there is none at {text}")
        return text, filters.kernel(text)
    except (ValueError, TypeError, OSError) as error:
        raise CommandError(" ".join(str(error).split())) from error


def _border(text: str) -> str | float:
    """Return a mode or a number; the filters check it."""
    try:
        value: str | float = float(text)
    except ValueError:
        value = text
    try:
        filters.correlate(np.zeros((1, 1)), filters.kernel("identity"), border=value)
    except (ValueError, TypeError) as error:
        raise CommandError(str(error)) from error
    return value


def _files(source: Path, target: Path, *, several: bool) -> Iterator[tuple[Path, Path]]:
    """Yield each photograph and where its results go: a file, or a folder for several results."""
    if not source.is_dir():
        yield source, target
        return
    if target.suffix:
        raise CommandError(f"{target}: expected a folder, as {source} is one")
    suffixes = image_suffixes()
    found = sorted(file for file in source.iterdir() if file.suffix.lower() in suffixes and file.is_file())
    if not found:
        raise CommandError(f"{source}: expected a folder with images, there is none in it")
    same_stems = len({file.stem for file in found}) < len(found)
    for file in found:
        stem = file.name.replace(".", "-") if same_stems else file.stem
        yield file, target / (stem if several else f"{stem}.png")


def _write(
    image: Photograph, kernels: Kernels, results: dict[str, NDArray[Any]], target: Path, *, sheet: bool
) -> Iterator[tuple[str, Path]]:
    """Write the results of a photograph and yield the name and the path of each."""
    if len(results) == 1:
        ((name, result),) = results.items()
        write_image(target, result)
        yield name, target
    elif sheet:
        _contact_sheet(target, image, kernels, results)
        yield "contact sheet", target
    else:
        for name, result in results.items():
            words = "".join(letter if letter.isalnum() or letter in "-." else " " for letter in name).split()
            path = target / f"{'-'.join(words)}.png"
            write_image(path, result)
            yield name, path


def _contact_sheet(path: Path, image: Photograph, kernels: Kernels, results: dict[str, NDArray[Any]]) -> None:
    """Draw the photograph and all results on one sheet."""
    panels: dict[str, tuple[NDArray[Any], NDArray[np.float64] | None]] = {"original": (image, None)}
    panels.update({name: (result, kernels[name]) for name, result in results.items()})
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        filtered_photographs(path, panels)
    except (OSError, ValueError) as error:
        raise CommandError(f"{path}: cannot write ({' '.join(str(error).split())})") from error
