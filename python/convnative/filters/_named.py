"""Kernels by name, from text and from files."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from . import kernels
from .kernels import Kernel, check_kernel


@dataclass(frozen=True)
class _Named:
    """A kernel of a name, and the types of the numbers that may follow it."""

    make: Callable[..., Kernel]
    numbers: tuple[Callable[[str], Any], ...] = ()


_KERNELS: dict[str, _Named] = {
    "identity": _Named(kernels.identity),
    "shift": _Named(kernels.shift, (int, int)),
    "box": _Named(kernels.box, (int,)),
    "gaussian": _Named(kernels.gaussian, (float,)),
    "binomial3": _Named(lambda: kernels.binomial(3)),
    "binomial5": _Named(lambda: kernels.binomial(5)),
    "sharpen": _Named(kernels.sharpen),
    "laplacian": _Named(kernels.laplacian),
    "laplacian-negative": _Named(lambda: kernels.laplacian(negative=True)),
    "laplacian8": _Named(lambda: kernels.laplacian(8)),
    "sobel-horizontal": _Named(kernels.sobel_horizontal),
    "sobel-vertical": _Named(kernels.sobel_vertical),
    "prewitt-horizontal": _Named(kernels.prewitt_horizontal),
    "prewitt-vertical": _Named(kernels.prewitt_vertical),
    "scharr-horizontal": _Named(kernels.scharr_horizontal),
    "scharr-vertical": _Named(kernels.scharr_vertical),
    "emboss": _Named(kernels.emboss),
    "edge": _Named(kernels.edge),
}


def kernel_names() -> tuple[str, ...]:
    """Return the names that `kernel` knows.

    Returns
    -------
    tuple of str
        The names.

    Examples
    --------
    >>> "laplacian" in kernel_names()
    True
    """
    return tuple(_KERNELS)


def kernel(name: str) -> Kernel:
    """Return a kernel by its name.

    Parameters
    ----------
    name : str
        One of `kernel_names`, with hyphens or underscores. A colon and numbers may follow the names that take
        some: ``"gaussian:2.5"`` (sigma), ``"box:9"`` (size), ``"shift:2,-1"`` (down and to the right).

    Returns
    -------
    ndarray
        The kernel.

    Raises
    ------
    ValueError
        If there is no kernel of this name; the message lists the names.

    Examples
    --------
    >>> kernel("box").sum().round(12)
    np.float64(1.0)
    >>> kernel("gaussian:2").shape
    (13, 13)
    """
    word, colon, numbers = name.partition(":")
    known = _KERNELS.get(word.replace("_", "-"))
    if known is None:
        raise ValueError(f"kernel: expected one of {', '.join(_KERNELS)}, received {name!r}")
    parts = numbers.split(",") if colon else []
    try:
        if len(parts) > len(known.numbers):
            raise ValueError
        values = [kind(part) for kind, part in zip(known.numbers, parts, strict=False)]
    except ValueError:
        most = f"at most {len(known.numbers)} numbers" if known.numbers else "no number"
        raise ValueError(f"kernel: expected {most} after {word!r}, received {name!r}") from None
    return known.make(*values)


_NOTATION = re.compile(r"\(?(?P<numbers>[^()]*)\)?(?:(?<=\))\s*(?P<sign>[*/])\s*(?P<factor>[^()]+))?")


def parse_kernel(text: str) -> Kernel:
    """Read a kernel that is written out: numbers with blanks or commas, rows with semicolons or line ends.

    Parameters
    ----------
    text : str
        The rows; a number may be a fraction. In parentheses, a factor or a divisor may follow. What stands
        behind a ``#`` is left out.

    Returns
    -------
    ndarray
        The kernel.

    Raises
    ------
    ValueError
        If something is no number, the rows are of different lengths, or there is none.

    Examples
    --------
    >>> parse_kernel("0 -1 0; -1 5 -1; 0 -1 0")
    array([[ 0., -1.,  0.],
           [-1.,  5., -1.],
           [ 0., -1.,  0.]])
    >>> parse_kernel("(1 2 1; 2 4 2; 1 2 1)/16").sum()
    np.float64(1.0)
    >>> parse_kernel("1/3, 1/3, 1/3").shape
    (1, 3)
    """
    plain = re.sub(r"#[^\n]*", "", text).strip()
    match = _NOTATION.fullmatch(plain)
    if match is None:
        raise ValueError(f"kernel: expected rows of numbers, as in '0 1 0; 1 -4 1; 0 1 0', received {text!r}")
    rows = [
        [_number(word) for word in row.replace(",", " ").split()]
        for row in re.split(r"[;\n]", match["numbers"])
        if row.strip()
    ]
    if not rows or len({len(row) for row in rows}) != 1:
        lengths = ", ".join(str(len(row)) for row in rows) or "none"
        raise ValueError(f"kernel: expected rows of one length, received {lengths} in {text!r}")
    values = np.array(rows)
    if match["factor"]:
        factor = _number(match["factor"].strip())
        if match["sign"] == "/":
            if factor == 0:
                raise ValueError(f"kernel: expected a divisor other than 0, received {text!r}")
            values = values / factor
        else:
            values = values * factor
    return check_kernel(values)


def _number(word: str) -> float:
    """Return the value of a number or a fraction."""
    above, slash, below = word.partition("/")
    try:
        return float(above) / float(below) if slash else float(above)
    except (ValueError, ZeroDivisionError):
        raise ValueError(f"kernel: expected a number, received {word!r}") from None


def load_kernel(path: str | Path) -> Kernel:
    """Read a kernel from a file.

    Parameters
    ----------
    path : str or Path
        ``.npy``: an array of numbers. ``.json``: a list of rows, or an object with such a list as ``kernel``
        and perhaps a number as ``divisor``. Any other: text as `parse_kernel` reads it.

    Returns
    -------
    ndarray
        The kernel.

    Raises
    ------
    OSError
        If the file cannot be read.
    TypeError, ValueError
        If it holds no kernel; the message names the file.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "mean.json"
    ...     _ = path.write_text('{"kernel": [[1, 1], [1, 1]], "divisor": 4}')
    ...     load_kernel(path)
    array([[0.25, 0.25],
           [0.25, 0.25]])
    """
    file = Path(path)
    try:
        if file.suffix == ".npy":
            return check_kernel(np.load(file, allow_pickle=False))
        if file.suffix == ".json":
            return _from_json(json.loads(file.read_text(encoding="utf-8")))
        return parse_kernel(file.read_text(encoding="utf-8"))
    except (ValueError, TypeError, EOFError) as error:  # of JSON, UTF-8 and NumPy's format too
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"{file}: {error}") from error


def _from_json(content: Any) -> Kernel:
    divisor: Any = 1.0
    if isinstance(content, dict):
        unknown = sorted(set(content) - {"kernel", "divisor"})
        if unknown or "kernel" not in content:
            raise ValueError(
                f"kernel: expected an object with 'kernel' and perhaps 'divisor', received {sorted(content)}"
            )
        divisor, content = content.get("divisor", 1.0), content["kernel"]
    if isinstance(divisor, bool) or not isinstance(divisor, (int, float)) or divisor == 0:
        raise ValueError(f"divisor: expected a number other than 0, received {divisor!r}")
    try:
        values = np.array(content)
    except ValueError:  # rows of different lengths
        raise ValueError("kernel: expected rows of one length") from None
    return check_kernel(check_kernel(values) / divisor)
