"""The layering that docs and CONTRIBUTING state, read from the sources."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "python" / "convnative"
CPP = ROOT / "cpp"

# What each folder of the core may include, besides itself.
LAYERS = {
    "base": set(),
    "simd": {"base"},
    "ref": {"base"},
    "gemm": {"base", "simd"},
    "conv": {"base", "simd", "gemm", "elementwise", "ref"},
    "pool": {"base", "simd", "ref"},
    "elementwise": {"base", "simd", "ref"},
    "normalization": {"base", "simd"},
    "embedding": {"base"},
    "loss": {"base", "elementwise"},
    "optimizer": {"base"},
    "rearrange": {"base", "simd"},
    "resample": {"base", "simd"},
    "image": {"base", "simd", "conv"},
}
# Programs on top of the core.
PROGRAMS = {"tests", "benchmarks", "examples"}

INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]', re.MULTILINE)
COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)


def sources(folder):
    files = [f for f in folder.rglob("*") if f.suffix in {".h", ".hpp", ".inc", ".c", ".cc", ".cpp"}]
    assert files, folder
    return files


def code(file):
    return COMMENT.sub("", file.read_text())


def includes(file):
    return INCLUDE.findall(file.read_text())


def layer_of(header):
    """The folder that a quoted include belongs to; a public header belongs to the folder of its name."""
    folder, name = header.split("/", 1) if "/" in header else (None, header)
    if folder == "convnative":
        stem = Path(name).stem
        return stem if stem in LAYERS else "base"
    return folder


def modules():
    return sorted(PACKAGE.rglob("*.py"))


def imported(file):
    """Absolute names of everything that a module of the package imports, at any depth of its code."""
    package = file.relative_to(PACKAGE.parent).with_suffix("").parts
    package = package[:-1] if package[-1] == "__init__" else package
    is_package = file.name == "__init__.py"
    names = set()
    for node in ast.walk(ast.parse(file.read_text(), str(file))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = node.level - 1 if is_package else node.level
            base = package[: len(package) - above] if node.level else ()
            base = ".".join((*base, node.module) if node.module else base)
            names |= {base} | {f"{base}.{alias.name}" for alias in node.names}
    return names


# -- the core ---------------------------------------------------------------------------------


def test_every_folder_of_the_core_has_its_place():
    folders = {f.name for f in CPP.iterdir() if f.is_dir() and any(f.rglob("*.*"))}
    assert folders <= {*LAYERS, *PROGRAMS, "include"}


@pytest.mark.parametrize("layer", LAYERS)
def test_no_include_points_upward(layer):
    folder = CPP / layer
    if not folder.is_dir():
        pytest.skip(f"cpp/{layer} does not exist yet")
    for file in sources(folder):
        for quote, header in includes(file):
            if quote == '"':
                assert layer_of(header) in {layer, None, *LAYERS[layer]}, f"{file}: {header}"


def test_public_headers_include_public_headers_alone():
    for file in sources(CPP / "include"):
        for quote, header in includes(file):
            if quote == '"':
                assert header.startswith("convnative/"), f"{file}: {header}"
                own = layer_of(f"convnative/{file.name}")
                assert layer_of(header) in {own, *LAYERS[own]}, f"{file}: {header}"


def test_the_core_knows_no_python():
    for file in sources(CPP):
        for _, header in includes(file):
            assert not re.search(r"pybind11|Python\.h|numpy", header), f"{file}: {header}"
        assert "PyObject" not in code(file), file
        assert "pybind11" not in code(file), file


def test_bindings_alone_include_pybind11():
    assert any("pybind11" in header for file in sources(ROOT / "src") for _, header in includes(file))


def test_one_source_starts_threads():
    def starts_threads(file):
        return re.search(r"\bstd::thread\b(?!::)|\bstd::async\b|omp\.h|#\s*pragma\s+omp|\bomp_", code(file))

    users = {f.relative_to(CPP).as_posix() for f in sources(CPP) if starts_threads(f)}
    measuring = {"base/best_rate.h"}
    assert {f for f in users if not f.startswith("tests/")} == {"base/thread_pool.cpp"} | measuring
    assert not [f for f in sources(ROOT / "src") if starts_threads(f)]


def test_intrinsics_stay_in_simd():
    for file in sources(CPP):
        if any(header.endswith("intrin.h") or header == "arm_neon.h" for _, header in includes(file)):
            assert file.relative_to(CPP).parts[0] == "simd", file


# -- the build --------------------------------------------------------------------------------


def cmake_files():
    found = [ROOT / "CMakeLists.txt", *ROOT.glob("cmake/**/*.cmake")]
    for folder in ("cpp", "src", "benchmarks", "examples"):
        found += (ROOT / folder).rglob("CMakeLists.txt")
    presets = ROOT / "CMakePresets.json"
    return found + ([presets] if presets.exists() else [])


def without_comments(file):
    return re.sub(r"#[^\n]*", "", file.read_text()) if file.suffix != ".json" else file.read_text()


def test_no_machine_specific_and_no_fast_math_flags():
    forbidden = re.compile(
        r"-march=native|-mtune=native|-mcpu=native|-ffast-math|-Ofast|-funsafe-math|-fassociative-math"
        r"|-ffinite-math|-freciprocal-math|-fno-signed-zeros|-ffp-contract=(?!off)"
    )
    for file in [*cmake_files(), ROOT / "pyproject.toml"]:
        assert not forbidden.search(without_comments(file)), file


def test_contraction_is_off():
    assert "-ffp-contract=off" in "".join(map(without_comments, cmake_files()))


def test_one_file_knows_the_flags_of_instruction_sets():
    flags = re.compile(r"-m(avx|fma|sse|bmi|f16c|arch=|tune=|cpu=|prefer)")
    users = {f.relative_to(ROOT).as_posix() for f in cmake_files() if flags.search(without_comments(f))}
    assert users == {"cmake/isa.cmake"}


def test_no_link_time_optimisation():
    forbidden = re.compile(r"-flto|INTERPROCEDURAL_OPTIMIZATION\s+(ON|TRUE|1)\b")
    for file in cmake_files():
        assert not forbidden.search(without_comments(file)), file


# -- the package ------------------------------------------------------------------------------


def test_who_imports_the_core():
    users = {
        file.relative_to(PACKAGE).parts[0]
        for file in modules()
        if any(name.split(".")[:2] == ["convnative", "_core"] for name in imported(file))
    }
    assert users == {"functional", "optim.py", "runtime.py"}


def test_shapes_stand_alone():
    """By their imports, and by loading the folder in an interpreter where neither is there."""
    folder = PACKAGE / "shapes"
    for file in folder.glob("*.py"):
        roots = {name.split(".")[0] for name in imported(file) if not name.startswith("convnative.shapes")}
        assert roots <= {*sys.stdlib_module_names}, (file, roots)
    script = f"""
import importlib.util, sys
sys.modules["numpy"] = sys.modules["convnative"] = None
spec = importlib.util.spec_from_file_location(
    "shapes", {str(folder / "__init__.py")!r}, submodule_search_locations=[{str(folder)!r}]
)
shapes = importlib.util.module_from_spec(spec)
sys.modules["shapes"] = shapes
spec.loader.exec_module(shapes)
assert all(hasattr(shapes, name) for name in shapes.__all__)
assert shapes.conv_output_size(5, 3) == 3
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


def test_layers_go_through_functional():
    for file in (PACKAGE / "nn").rglob("*.py"):
        assert not any("_core" in name.split(".") for name in imported(file)), file


def test_nothing_in_the_package_needs_torch():
    for file in modules():
        assert not {name.split(".")[0] for name in imported(file)} & {"torch", "tensorflow", "jax"}, file


def test_the_command_line_alone_prints():
    for file in modules():
        if file.relative_to(PACKAGE).parts[0] == "cli":
            continue
        for node in ast.walk(ast.parse(file.read_text(), str(file))):
            called = node.func if isinstance(node, ast.Call) else None
            assert not (isinstance(called, ast.Name) and called.id == "print"), f"{file}:{node.lineno}"
            if isinstance(node, ast.Attribute) and node.attr in ("stdout", "stderr"):
                assert not (isinstance(node.value, ast.Name) and node.value.id == "sys"), (
                    f"{file}:{node.lineno}"
                )
