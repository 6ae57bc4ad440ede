"""An environment per peer: their packages ask for versions of others that do not go together."""

from __future__ import annotations

import shutil
import subprocess
import sys
import venv
from typing import TYPE_CHECKING

from .harness import ROOT
from .peers import PEERS

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

DEFAULT = ROOT / "build" / "peers"


def folder_of(peer: str) -> str:
    """Return the name of the peer's environment, which is that of its first package."""
    return PEERS[peer].packages[0]


def interpreter(peer: str, environments: Path) -> str:
    """Return the interpreter of the peer's environment, or this one where there is none."""
    python = environments / folder_of(peer) / "bin" / "python"
    return str(python) if python.exists() and not PEERS[peer].ours else sys.executable


def install(peers: Iterable[str], environments: Path) -> dict[str, str]:
    """Make the environments that are missing; return what went wrong, by peer."""
    failures = {}
    for peer in peers:
        folder = environments / folder_of(peer)
        if PEERS[peer].ours or folder.exists():
            continue
        print(f"{peer}: {folder}", flush=True)
        venv.create(folder, with_pip=True)
        pip = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", "numpy", *PEERS[peer].packages]
        if subprocess.run(pip, check=False).returncode != 0:
            shutil.rmtree(folder)
            failures[peer] = f"pip could not install {', '.join(PEERS[peer].packages)}"
    return failures
