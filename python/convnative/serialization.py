"""Saving and loading of arrays by name, in the safetensors format."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ._typing import Array

__all__ = ["load", "save"]


def save(state_dict: Mapping[str, Array], path: str | os.PathLike[str]) -> None:
    """
    Save arrays by name as a safetensors file.

    The file is written under another name in the same folder and then renamed: at `path` there is the old
    file or the complete new one at any time.

    Parameters
    ----------
    state_dict : mapping of str to ndarray
        For example ``model.state_dict()``. Any dtype that safetensors knows, any memory layout.
    path : str or path-like
        Where to; an existing file is replaced.

    Raises
    ------
    ImportError
        If the safetensors package is not installed.
    TypeError
        If a name is not a str, a value not an array, or of a dtype that safetensors does not know.
    OSError
        If the file cannot be written.

    Examples
    --------
    >>> import os, tempfile
    >>> import convnative as cn
    >>> layer = cn.nn.Linear(3, 2)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     cn.save(layer.state_dict(), os.path.join(folder, "layer.safetensors"))
    ...     state = cn.load(os.path.join(folder, "layer.safetensors"))
    >>> bool((state["weight"] == layer.weight).all())
    True
    """
    safetensors_numpy = _safetensors()
    arrays = {}
    for name, value in state_dict.items():
        if not isinstance(name, str):
            raise TypeError(f"state_dict: expected names of type str, received {name!r}")
        if not isinstance(value, np.ndarray):
            raise TypeError(
                f"state_dict: expected a numpy.ndarray for {name!r}, received {type(value).__name__}"
            )
        if value.dtype.kind not in "biufc":
            raise TypeError(f"state_dict: expected numbers for {name!r}, received {value.dtype}")
        # safetensors writes the memory as it is
        arrays[name] = np.asarray(value, dtype=value.dtype.newbyteorder("="), order="C")
    target = os.path.realpath(os.fspath(path))  # through a symbolic link, not in its place
    folder, file = os.path.split(target)
    temporary = os.path.join(folder, f".{file}.{os.urandom(8).hex()}.tmp")
    try:
        data = safetensors_numpy.save(arrays)
        with open(temporary, "xb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, target)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


def load(path: str | os.PathLike[str]) -> dict[str, Array]:
    """
    Load the arrays of a safetensors file, for example one that torch users saved.

    Parameters
    ----------
    path : str or path-like
        The file.

    Returns
    -------
    dict of str to ndarray

    Raises
    ------
    ImportError
        If the safetensors package is not installed.
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is not a complete safetensors file.

    See Also
    --------
    save : with an example.
    """
    safetensors_numpy = _safetensors()
    from safetensors import SafetensorError

    name = os.fspath(path)
    try:
        return dict(safetensors_numpy.load_file(name))
    except SafetensorError as error:
        raise ValueError(f"path: expected a safetensors file, received {name!r}: {error}") from error


def _safetensors() -> Any:
    try:
        import safetensors.numpy
    except ImportError as error:
        raise ImportError(
            "convnative.save and convnative.load need the safetensors package: "
            "pip install 'convnative[safetensors]'"
        ) from error
    return safetensors.numpy
