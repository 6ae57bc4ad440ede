"""The object files that are compiled for an instruction set leak nothing into the rest of the library.

A weak symbol, such as an inline function of the standard library, exists in many object files, and the linker
keeps one of them for all: perhaps the AVX-512 copy, which an older CPU cannot run (numpy#25274).
"""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ISAS = ("baseline", "avx2", "avx512")
OBJECTS = [
    pytest.param(isa, path, id=str(path.relative_to(ROOT)))
    for isa in ISAS
    for path in sorted(ROOT.glob(f"build/**/CMakeFiles/*_{isa}.dir/**/*.o"))
]
# What the compiler itself may call.
RUNTIME = re.compile(
    r"_?(memcpy|memset|memmove|memcmp|fmaf?|_GLOBAL_OFFSET_TABLE_|__stack_chk_fail|__tls_get_addr)$"
)

pytestmark = [
    pytest.mark.skipif(shutil.which("nm") is None, reason="nm is not installed"),
    pytest.mark.skipif(not OBJECTS, reason="no CMake build tree in build/"),
]
if not OBJECTS:
    OBJECTS = [pytest.param(None, None)]


def symbols(path):
    """(type letter, name) of each symbol."""
    listing = subprocess.run(["nm", path], check=True, capture_output=True, text=True).stdout
    return [tuple(line.split()[-2:]) for line in listing.splitlines() if line.strip()]


def is_instrumented(path):
    return any(name.startswith(("__asan", "__ubsan", "__gcov", "__llvm")) for _, name in symbols(path))


@pytest.mark.parametrize(("isa", "path"), OBJECTS)
def test_no_symbol_is_weak_or_unique(isa, path):
    if is_instrumented(path):
        pytest.skip("an instrumented build")
    shared = [(kind, name) for kind, name in symbols(path) if kind in "WwVvui"]
    assert not shared, shared


@pytest.mark.parametrize(("isa", "path"), OBJECTS)
def test_global_symbols_lie_in_the_namespace_of_the_isa(isa, path):
    if is_instrumented(path):
        pytest.skip("an instrumented build")
    mangled = f"{len('convnative')}convnative{len(isa)}{isa}"
    exported = [name for kind, name in symbols(path) if kind.isupper() and kind != "U"]
    assert exported, "an object file that offers nothing"
    assert not [name for name in exported if mangled not in name]


@pytest.mark.parametrize(("isa", "path"), OBJECTS)
def test_nothing_outside_is_called(isa, path):
    if is_instrumented(path):
        pytest.skip("an instrumented build")
    mangled = f"{len('convnative')}convnative{len(isa)}{isa}"
    needed = {name for kind, name in symbols(path) if kind == "U"}
    assert not [name for name in needed if mangled not in name and not RUNTIME.match(name)]


def test_every_isa_has_objects():
    found = {isa for isa in ISAS if list(ROOT.glob(f"build/**/CMakeFiles/*_{isa}.dir/**/*.o"))}
    assert "baseline" in found
    assert found in ({"baseline"}, set(ISAS))
