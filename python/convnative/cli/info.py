"""``convnative info``: what a bug report should contain."""

from __future__ import annotations

import argparse
from typing import Any

import convnative

from ._output import Output

_EXAMPLES = """\
examples:
  convnative info
  CONVNATIVE_MAX_ISA=avx2 convnative info
"""


def add_parser(commands: Any) -> argparse.ArgumentParser:
    """Describe the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "info",
        help="show versions, CPU, instruction sets, threads and precision",
        description="Show versions, CPU, instruction sets, threads and precision, for a bug report.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    return parser


def run(_: argparse.Namespace, output: Output) -> int:
    """Print the configuration."""
    output.line(str(convnative.show_config()).rstrip())
    return 0
