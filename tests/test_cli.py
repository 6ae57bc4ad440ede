"""The command line: what it prints, what it writes and the status it returns."""

import importlib.util
import io
import re
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest

import convnative as cn
from convnative import filters
from convnative.cli import _bench_peers, _reference, bench, main
from convnative.cli._architectures import ARCHITECTURES
from convnative.cli._output import CommandError, require
from convnative.filters import kernels

pytest.importorskip("sklearn")
Image = pytest.importorskip("PIL.Image")

COMMANDS = ["demo", "train", "filter", "explore", "summary", "bench", "info"]


@pytest.fixture
def photograph(tmp_path):
    pixels = np.random.default_rng(3).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    path = tmp_path / "photo.png"
    Image.fromarray(pixels).save(path)
    return path, pixels


# -- the whole --------------------------------------------------------------------------------------------


def test_demo_from_a_shell(tmp_path):
    folder = tmp_path / "pictures"
    done = subprocess.run(
        [sys.executable, "-m", "convnative", "demo", "-o", str(folder)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    assert "\x1b" not in done.stdout
    for part in (
        "40,394 = 40,208 weights + 186 biases",
        "loaded again: the same predictions",
        "times as fast as NumPy",
        str(folder),
    ):
        assert part in done.stdout
    for name in ("filters", "kernels", "feature-maps", "training"):
        with Image.open(folder / f"{name}.png") as picture:
            assert picture.width >= 1200
    assert len(list((folder / "filtered").glob("*.png"))) == 9
    assert (folder / "digits.safetensors").stat().st_size > 4 * 40394


def test_demo_fails_when_it_misses_its_accuracy(tmp_path, capsys):
    assert main(["demo", "--epochs", "1", "-o", str(tmp_path / "out")]) == 1
    assert "FAILED: accuracy" in capsys.readouterr().out


def test_no_rich_needed_when_piped(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "rich", None)
    assert main(["summary", "lenet5"]) == 0
    assert "61,706 = 61,470 weights + 236 biases" in capsys.readouterr().out


def test_summary_compares_with_dense_layers(capsys):
    assert main(["summary", "lenet5", "--compare", "dense"]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"Dense +Invariant +Local", printed)
    # The first convolution: 32 * 32 inputs, 6 maps of 28 * 28 outputs.
    assert re.search(r"Conv2d .* 4,816,896 +21,600 +150", printed)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_terminal_gets_tables_and_a_progress_bar(monkeypatch):
    pytest.importorskip("rich")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "140")
    screen = Terminal()
    monkeypatch.setattr(sys, "stdout", screen)
    assert main(["train", "--epochs", "1", "--batch", "256"]) == 0
    text = screen.getvalue()
    assert "\x1b[" in text
    assert "┃ Weights ┃" in re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
    assert "1437/1437" in re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
    assert "images/s" in text


# -- help and errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [["--help"], *([command, "--help"] for command in COMMANDS)])
def test_help(arguments, capsys):
    assert main(arguments) == 0
    text = capsys.readouterr().out
    assert "examples:\n  convnative" in text
    assert all(command in text for command in (COMMANDS if len(arguments) == 1 else arguments[:1]))


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["bake"],
        ["train", "--epochs", "0"],
        ["train", "--epochs", "many"],
        ["train", "--lr", "-1"],
        ["train", "--lr", "nan"],
        ["train", "--seed", "-1"],
        ["train", "--optimizer", "newton"],
        ["summary", "resnet"],
        ["summary", "lenet5", "--size", "8"],
        ["filter", "a.png"],
        ["bench", "--threads", "0"],
    ],
)
def test_wrong_usage(arguments, capsys):
    assert main(arguments) == 2
    assert "usage: convnative" in capsys.readouterr().err


def error_of(arguments, capsys):
    """Run a command that fails and return its one line of error."""
    assert main([str(argument) for argument in arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert line.startswith("convnative: error: ")
    return line


def test_filter_errors(photograph, tmp_path, capsys):
    path, _ = photograph
    out = tmp_path / "out.png"
    unknown = error_of(["filter", path, "--kernel", "blur", "-o", out], capsys)
    assert all(name in unknown for name in filters.kernel_names())
    missing = tmp_path / "none.png"
    assert str(missing) in error_of(["filter", missing, "--kernel", "box", "-o", out], capsys)
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "there is none" in error_of(["filter", empty, "--kernel", "box", "-o", tmp_path / "x"], capsys)
    assert "expected a folder" in error_of(["filter", tmp_path, "--kernel", "box", "-o", out], capsys)
    text = tmp_path / "text.png"
    text.write_text("not an image")
    assert "not a readable image" in error_of(["filter", text, "--kernel", "box", "-o", out], capsys)
    content = path.read_bytes()
    for length in (0, 20, 60, len(content) // 2):
        cut = tmp_path / "cut.png"
        cut.write_bytes(content[:length])
        assert "not a readable image" in error_of(["filter", cut, "--kernel", "box", "-o", out], capsys)
    assert "cannot write" in error_of(["filter", path, "--kernel", "box", "-o", tmp_path / "a.xyz"], capsys)
    below_a_file = path / "out.png"
    assert "cannot write" in error_of(["filter", path, "--kernel", "box", "-o", below_a_file], capsys)
    assert not out.exists()


@pytest.mark.parametrize("name", [name for name in ARCHITECTURES if name != "digits"])
def test_summary_of_the_published_networks(name, capsys):
    assert main(["summary", name]) == 0
    text = capsys.readouterr().out
    with cn.init.skip_random():
        count = cn.count_parameters(getattr(cn.models, name)())
    assert f"{count.total:,} = {count.weights:,} weights + {count.biases:,} biases" in text
    assert "Linear" in text


def test_a_network_that_does_not_take_the_size(capsys):
    line = error_of(["summary", "lenet5", "--size", "40", "40"], capsys)
    assert "lenet5: 7 (Linear)" in line


def test_missing_extra_is_named(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    assert "scikit-learn: pip install 'convnative[demo]'" in error_of(["train"], capsys)
    with pytest.raises(CommandError, match="needs nosuchpackage"):
        require("nosuchpackage.part")


def test_interrupt(monkeypatch, capsys):
    from convnative.cli import info

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(info, "run", interrupt)
    assert main(["info"]) == 130
    assert "interrupted" in capsys.readouterr().err


# -- parts ------------------------------------------------------------------------------------------------


def test_filter_writes_one_file(photograph, tmp_path, capsys):
    path, pixels = photograph
    out = tmp_path / "new" / "edges.png"
    arguments = ["filter", path, "--kernel", "sobel-horizontal", "--absolute", "-o", out]
    assert main(list(map(str, arguments))) == 0
    assert str(out) in capsys.readouterr().out
    with Image.open(out) as result:
        expected = filters.correlate(pixels, kernels.sobel_horizontal(), absolute=True)
        assert np.array_equal(np.asarray(result), expected)


def test_filter_writes_one_file_for_each_kernel(photograph, tmp_path):
    path, pixels = photograph
    out = tmp_path / "folder"
    assert main(["filter", str(path), "--kernel", "box", "--kernel", "identity", "-o", str(out)]) == 0
    assert sorted(file.name for file in out.iterdir()) == ["box.png", "identity.png"]
    with Image.open(out / "identity.png") as result:
        assert np.array_equal(np.asarray(result), pixels)


def test_filter_draws_a_contact_sheet(photograph, tmp_path, capsys):
    path, _ = photograph
    (tmp_path / "mine.json").write_text('{"kernel": [[1, 1], [1, 1]], "divisor": 4}')
    np.save(tmp_path / "mine.npy", kernels.emboss())
    out = tmp_path / "sheets" / "sheet.png"
    given = ["0 1 0; 1 -4 1; 0 1 0", "gaussian:2", "sobel_vertical", tmp_path / "mine.json"]
    options = [part for kernel in given for part in ("-k", str(kernel))]
    assert main(["filter", str(path), *options, "-o", str(out), "--border", "reflect"]) == 0
    assert "contact sheet" in capsys.readouterr().out
    with Image.open(out) as sheet:
        assert sheet.width >= 1200
    assert main(["filter", str(path), "-k", str(tmp_path / "mine.npy"), "-o", str(tmp_path / "e.png")]) == 0
    with Image.open(tmp_path / "e.png") as result:
        assert np.array_equal(np.asarray(result), filters.correlate(photograph[1], kernels.emboss()))


def test_filter_takes_numbers(photograph, tmp_path):
    path, pixels = photograph
    out = tmp_path / "out.png"
    for text in ("(1 2 1; 2 4 2; 1 2 1)/16", "1/16,1/8,1/16;1/8,1/4,1/8;1/16,1/8,1/16"):
        assert main(["filter", str(path), "-k", text, "-o", str(out), "--border", "12"]) == 0
        with Image.open(out) as result:
            assert np.array_equal(
                np.asarray(result), filters.correlate(pixels, kernels.binomial(3), border=12.0)
            )


def test_filter_goes_through_a_folder(photograph, tmp_path, capsys):
    path, pixels = photograph
    folder, out = tmp_path / "photographs", tmp_path / "out"
    folder.mkdir()
    for name in ("a.b.png", "c.png"):
        (folder / name).write_bytes(path.read_bytes())
    (folder / "notes.txt").write_text("no photograph")
    assert main(["filter", str(folder), "-k", "box", "-o", str(out)]) == 0
    assert sorted(file.name for file in out.iterdir()) == ["a.b.png", "c.png"]
    with Image.open(out / "a.b.png") as result:
        assert np.array_equal(np.asarray(result), filters.box_blur(pixels))
    assert main(["filter", str(folder), "-k", "box", "-k", "edge", "-o", str(out / "more")]) == 0
    assert sorted(file.name for file in (out / "more" / "a.b").iterdir()) == ["box.png", "edge.png"]
    # A broken one is named; the others are filtered.
    (folder / "b.png").write_bytes(path.read_bytes()[:40])
    capsys.readouterr()
    assert main(["filter", str(folder), "-k", "sharpen", "-o", str(out / "sharp")]) == 2
    assert "b.png: not a readable image" in capsys.readouterr().err
    assert sorted(file.name for file in (out / "sharp").iterdir()) == ["a.b.png", "c.png"]


def test_filter_refuses_what_is_no_kernel(photograph, tmp_path, capsys):
    path, _ = photograph
    (tmp_path / "bad.json").write_text("[[1, 2], [3]]")
    for kernel, text in {
        "1 2; 3": "rows of one length",
        "1 2 3 4-": "expected a number",
        "nofile.json": "there is none at",
        str(tmp_path / "bad.json"): "bad.json: kernel: expected rows of one length",
        "box:4": "expected an odd int",
        "sharpen:2": "expected no number",
    }.items():
        assert text in error_of(["filter", path, "-k", kernel, "-o", tmp_path / "out.png"], capsys)
    border = ["filter", path, "-k", "box", "-o", tmp_path / "out.png", "--border", "mirror"]
    assert "border: expected one of" in error_of(border, capsys)


def test_filter_refuses_an_image_without_pixels(tmp_path, capsys):
    path = tmp_path / "empty.pgm"
    path.write_bytes(b"P5\n0 0\n255\n")
    line = error_of(["filter", path, "-k", "box", "-o", tmp_path / "out.png"], capsys)
    assert "not a readable image" in line


@pytest.mark.parametrize("suffix", ["png", "tif", "pgm"])
def test_filter_keeps_sixteen_bits(suffix, tmp_path, capsys):
    path, out, sheet = (tmp_path / name for name in (f"image.{suffix}", f"out.{suffix}", "sheet.png"))
    deep = np.arange(0, 65536, 64, dtype=np.uint16).reshape(32, 32)
    Image.fromarray(deep).save(path)
    assert main(["filter", str(path), "--kernel", "gaussian", "-o", str(out)]) == 0
    with Image.open(out) as result:
        assert np.array_equal(np.asarray(result), filters.gaussian_blur(deep))
    assert main(["filter", str(path), "-k", "box", "-k", "edge", "-o", str(sheet)]) == 0
    with Image.open(sheet) as drawn:
        assert np.ptp(np.asarray(drawn.convert("L"))) > 200
    assert main(["explore", str(path), "-o", str(tmp_path / "page.html")]) == 0
    capsys.readouterr()
    line = error_of(["filter", path, "-k", "box", "-o", tmp_path / "out.jpg"], capsys)
    assert "out.jpg: cannot write" in line


def png(depth, colour_type, row):
    """A picture of one pixel, written chunk by chunk: Pillow writes no colours of 16 bits."""
    parts = [(b"IHDR", struct.pack(">IIBBBBB", 1, 1, depth, colour_type, 0, 0, 0))]
    parts += [(b"IDAT", zlib.compress(b"\0" + row)), (b"IEND", b"")]
    chunks = (
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


@pytest.mark.parametrize("command", ["filter", "explore"])
def test_images_that_would_lose_bits_are_refused(command, tmp_path, capsys):
    out = tmp_path / "out.png"
    options = ["-k", "box", "-o", out] if command == "filter" else ["-o", out]
    colours = tmp_path / "colours.png"
    colours.write_bytes(png(16, 2, bytes(6)))
    for mode in ("I", "F"):
        Image.new(mode, (3, 2)).save(tmp_path / f"{mode}.tif")
    for path in (colours, tmp_path / "I.tif", tmp_path / "F.tif"):
        line = error_of([command, path, *options], capsys)
        assert "expected 8 bits a channel, or grey of 16 bits" in line
    assert not out.exists()
    colours.write_bytes(png(8, 2, bytes(3)))
    assert main([command, str(colours), *map(str, options)]) == 0


def test_filter_turns_photographs_upright(tmp_path):
    path, out = tmp_path / "image.jpg", tmp_path / "out.png"
    image = Image.new("RGB", (40, 20))
    exif = image.getexif()
    exif[0x0112] = 6  # turned by a quarter
    image.save(path, exif=exif)
    assert main(["filter", str(path), "--kernel", "identity", "-o", str(out)]) == 0
    with Image.open(out) as result:
        assert result.size == (20, 40)


@pytest.mark.parametrize(
    ("mode", "shape"), [("L", (6, 5)), ("1", (6, 5)), ("LA", (6, 5)), ("RGBA", (6, 5, 3)), ("P", (6, 5, 3))]
)
def test_filter_reads_all_kinds_of_images(mode, shape, tmp_path):
    path, out = tmp_path / "image.png", tmp_path / "out.png"
    Image.new("RGB", (5, 6), (10, 200, 30)).convert(mode).save(path)
    assert main(["filter", str(path), "--kernel", "box", "-o", str(out)]) == 0
    with Image.open(out) as result:
        assert np.asarray(result).shape == shape


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_train_saves_weights_that_load(optimizer, tmp_path, capsys):
    weights = tmp_path / "new" / "weights.safetensors"
    arguments = ["train", "--epochs", "1", "--batch", "256", "--optimizer", optimizer, "-o", str(weights)]
    assert main(arguments) == 0
    assert "epoch   1  loss " in capsys.readouterr().out
    state = cn.load(weights)
    assert sum(array.size for array in state.values()) == 40394


def test_train_is_reproducible(capsys):
    def figures():
        assert main(["train", "--epochs", "1", "--batch", "256", "--seed", "5"]) == 0
        lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("epoch")]
        return [line.rsplit("  ", 1)[0] for line in lines]  # all but the speed

    assert figures() == figures()


def test_info(capsys):
    assert main(["info"]) == 0
    assert np.__version__ in capsys.readouterr().out


@pytest.fixture
def quick_bench(monkeypatch):
    monkeypatch.setattr(bench, "_SECONDS", 0)
    monkeypatch.setattr(bench, "_REST", 0)
    monkeypatch.setattr(bench, "_COPIED", 2**20)
    small = {label: (*s[:2], (12, 16), *s[3:]) for label, s in bench._SHAPES.items()}
    monkeypatch.setattr(bench, "_SHAPES", small)


def test_bench(quick_bench, isa, capsys):
    before = cn.get_num_threads()
    assert main(["bench", "--alone", "--threads", "1"]) == 0
    text = capsys.readouterr().out
    assert f"({isa}, 1 thread)" in text
    # There is no loop of the baseline, so no share of it either.
    assert ("multiply-adds" in text) == ("of the peak" in text) == (isa != "baseline")
    assert len(re.findall(r"^\dx\d.* @ .*\d\.\d( +\d+%)?$", text, re.MULTILINE)) == 7
    assert cn.get_num_threads() == before


def test_bench_beside_others(quick_bench, monkeypatch, capsys):
    def half_installed(case, threads):
        raise OSError("no shared object")

    def some(case, threads):
        return (lambda: cn.functional.conv2d(case.input, case.weight)) if case.padding == 0 else None

    peers = {"Broken": half_installed, "Some": some, "Zeros": lambda *_: lambda: np.float32(0)}
    monkeypatch.setattr(bench, "PEERS", {name: ("numpy", make) for name, make in peers.items()})
    monkeypatch.setattr(bench, "installed", lambda: list(peers))
    assert main(["bench"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines() if " @ " in line]
    assert len(rows) == 7
    for row in rows:
        broken, some_speed, zeros = row[-3:]
        assert (broken, zeros) == ("OSError", "wrong")
        assert (some_speed == "–") == (row[0] != "1x1,")


@pytest.mark.parametrize("name", _bench_peers.PEERS)
def test_peers_of_bench_compute_the_convolution(name):
    module, make = _bench_peers.PEERS[name]
    if importlib.util.find_spec(module) is None:
        assert name not in _bench_peers.installed()
        pytest.skip(f"{module} is not installed")
    assert name in _bench_peers.installed()
    rng, computed = np.random.default_rng(0), 0
    for channels, out, kernel, stride, groups in ((4, 6, 3, 2, 2), (1, 1, 5, 1, 1)):
        x = rng.standard_normal((1, channels, 9, 12), dtype=np.float32)
        weight = rng.standard_normal((out, channels // groups, kernel, kernel), dtype=np.float32)
        call = make(_bench_peers.Convolution(x, weight, stride, kernel // 2, groups), 1)
        if call is not None:
            expected = cn.functional.conv2d(x, weight, None, stride, kernel // 2, 1, groups)
            np.testing.assert_allclose(np.asarray(call()), expected, rtol=1e-5, atol=1e-5)
            computed += 1
    assert computed > 0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_numpy_reference_of_the_comparison_is_right(dtype):
    rng = np.random.default_rng(0)
    padding = ((1, 2), (0, 1))
    x = rng.integers(-4, 5, (3, 2, 7, 6)).astype(dtype)
    weight = rng.integers(-4, 5, (4, 2, 3, 2)).astype(dtype)
    bias = rng.integers(-4, 5, 4).astype(dtype)
    options = {"padding": padding}
    output = cn.functional.conv2d(x, weight, bias, **options)
    grad = rng.integers(-4, 5, output.shape).astype(dtype)
    # Small integers: every sum is exact, in whatever order.
    assert np.array_equal(_reference.conv2d(x, weight, bias, padding), output)
    assert np.array_equal(
        _reference.conv2d_grad_input(grad, weight, x.shape, padding),
        cn.functional.conv2d_grad_input(grad, weight, x.shape, **options),
    )
    assert np.array_equal(
        _reference.conv2d_grad_weight(grad, x, weight.shape, padding),
        cn.functional.conv2d_grad_weight(grad, x, weight.shape, **options),
    )
    assert np.array_equal(_reference.conv2d_grad_bias(grad), cn.functional.conv2d_grad_bias(grad))
