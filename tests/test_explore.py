"""The page of `convnative explore`, in a real browser where there is one: its figures are the library's."""

import base64
import contextlib
import io
import json
import os
import re
from pathlib import Path

import numpy as np
import pytest

from browser import CHROMIUM, DRIVER, Browser
from convnative import filters
from convnative import functional as F
from convnative.cli import main

Image = pytest.importorskip("PIL.Image")

WIDTH, HEIGHT = 40, 30


@pytest.fixture(scope="module")
def photograph(tmp_path_factory):
    """A colour picture with soft and sharp parts, twice as large as the page shows it."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[: 2 * HEIGHT, : 2 * WIDTH]
    grey = 120 + 60 * np.sin(x / 9) + 60 * ((x - 40) ** 2 + (y - 30) ** 2 < 300) + rng.normal(0, 5, x.shape)
    pixels = np.clip(np.stack([grey, grey - 20, 255 - grey], axis=2), 0, 255).astype(np.uint8)
    path = tmp_path_factory.mktemp("explore") / "a <b> & photo.png"
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture(scope="module")
def page(photograph):
    path = photograph.parent / "page.html"
    arguments = [photograph, "--size", WIDTH, "--kernel", "laplacian", "-o", path]
    assert main(["explore", *map(str, arguments)]) == 0
    return path


def data_of(page):
    return json.loads(re.search(r'id="data">(.*?)</script>', page.read_text(encoding="utf-8"))[1])


def apply(image, kernel):
    """The library's cross-correlation of a picture with its border pixels repeated, exactly."""
    x, weight = (np.asarray(array, dtype=np.float64)[np.newaxis, np.newaxis] for array in (image, kernel))
    return F.conv2d(x, weight, padding="same", padding_mode="replicate")[0, 0]


def shown(values):
    """The shades of grey that stand for sums."""
    return np.clip(np.rint(values), 0, 255)


def pixels_of(page):
    data = data_of(page)
    flat = np.frombuffer(base64.b64decode(data["pixels"]), np.uint8)
    return flat.reshape(data["height"], data["width"])


# -- without a browser ------------------------------------------------------------------------------------


def test_the_page_is_self_contained(page, photograph):
    text = page.read_text(encoding="utf-8")
    assert not re.search(r"https?://|<link|src=|@import|url\(", text)
    assert "default-src 'none'" in text
    assert "a &lt;b&gt; &amp; photo.png" in text
    assert "<b> & photo" not in text


def test_the_picture_is_small_and_grey(page, photograph):
    with Image.open(photograph) as image:
        grey = image.convert("L")
        grey.thumbnail((WIDTH, WIDTH))
        assert np.array_equal(pixels_of(page), np.asarray(grey))
    assert pixels_of(page).shape == (HEIGHT, WIDTH)


def test_all_kernels_of_the_library_are_there(page):
    kernels = data_of(page)["kernels"]
    assert {"identity", "box", "gaussian", "sharpen", "laplacian", "sobel-horizontal"} <= set(kernels)
    for name in filters.kernel_names():
        kernel = filters.kernel(name)
        assert (name in kernels) == (max(kernel.shape) <= 7 and all(size % 2 for size in kernel.shape))
        assert name not in kernels or np.array_equal(kernels[name], kernel)


def test_default_size_and_place(photograph, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    large = tmp_path / "large.jpg"
    Image.new("RGB", (400, 320)).save(large)
    assert main(["explore", str(large)]) == 0
    assert "160 x 128 pixels: large-explore.html" in capsys.readouterr().out
    assert pixels_of(tmp_path / "large-explore.html").shape == (128, 160)
    assert (tmp_path / "large-explore.html").stat().st_size < 60_000


def test_a_real_photograph(tmp_path):
    datasets = pytest.importorskip("sklearn.datasets")
    photograph = Path(datasets.__file__).parent / "images" / "flower.jpg"
    page = tmp_path / "page.html"
    assert main(["explore", str(photograph), "-o", str(page)]) == 0
    assert pixels_of(page).shape == (107, 160)


def one_error(arguments, capsys):
    assert main(["explore", *map(str, arguments)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    return line


def test_errors(photograph, tmp_path, capsys):
    assert "kernel: expected one of identity" in one_error([photograph, "--kernel", "blur"], capsys)
    assert "there is none" in one_error([tmp_path / "none.png"], capsys)
    assert "there is a folder" in one_error([tmp_path], capsys)
    broken = tmp_path / "broken.png"
    empty = b"P5\n0 0\n255\n"  # a grey image of no pixels
    for content in (b"", b"not an image", photograph.read_bytes()[:200], empty):
        broken.write_bytes(content)
        assert "not a readable image" in one_error([broken], capsys)
    content = photograph.read_bytes()
    assert "this is the image" in one_error([photograph, "-o", photograph], capsys)
    assert photograph.read_bytes() == content
    below_a_file = photograph / "page.html"
    assert "cannot write" in one_error([photograph, "-o", below_a_file], capsys)


@pytest.mark.parametrize("size", ["7", "257", "-8", "8.5", "large"])
def test_wrong_size(size, photograph, capsys):
    assert main(["explore", str(photograph), "--size", size]) == 2
    assert "expected an int from 8 to 256" in capsys.readouterr().err


# -- in a browser -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser():
    if not (CHROMIUM and DRIVER):
        pytest.skip("needs chromium and chromedriver (Debian: chromium, chromium-driver)")
    try:
        browser = Browser()
    except (OSError, RuntimeError) as error:
        if "CONVNATIVE_REQUIRE_BROWSER" in os.environ:
            raise
        pytest.skip(f"the browser does not start here: {error}")
    with contextlib.closing(browser):
        yield browser


@pytest.fixture
def opened(browser, page):
    browser.open(page)
    yield browser
    assert browser.errors() == []


def canvas(browser, name):
    script = """
        const canvas = document.getElementById(arguments[0]);
        const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
        return [canvas.height, canvas.width, Array.from(data)];
    """
    height, width, values = browser.run(script, name)
    colours = np.array(values, np.uint8).reshape(height, width, 4)
    assert (colours[..., 3] == 255).all()
    assert (colours[..., :1] == colours[..., :3]).all()
    return colours[..., 0]


def table(browser, name):
    script = """
        return Array.from(document.querySelectorAll(`#${arguments[0]} tr`), line =>
            Array.from(line.cells, cell => cell.textContent || cell.firstChild.value));
    """
    return np.array([[number(cell) for cell in line] for line in browser.run(script, name)])


def number(text):
    return float(text.replace("\N{MINUS SIGN}", "-"))


def figures(browser):
    return {name: number(browser.text(f"#{name}")) for name in ("row", "column", "sum", "shown")}


def go_to(browser, row, column):
    """Move the real mouse to the middle of a pixel."""
    width = browser.run("return document.getElementById('picture').getBoundingClientRect().width")
    zoom = width / WIDTH
    browser.point("#picture", (column + 0.5) * zoom, (row + 0.5) * zoom)


def check(browser, image, kernel, row, column):
    """Compare everything that is shown for a position with the library."""
    exact = apply(image, kernel)
    found = figures(browser)
    assert (found["row"], found["column"]) == (row, column)
    assert found["sum"] == pytest.approx(exact[row, column], rel=6e-4, abs=1e-9)
    assert found["shown"] == shown(exact[row, column])
    above, left = (size // 2 for size in kernel.shape)
    around = np.pad(image.astype(float), ((above, above), (left, left)), mode="edge")
    window = around[row : row + kernel.shape[0], column : column + kernel.shape[1]]
    assert np.array_equal(table(browser, "window"), window)
    np.testing.assert_allclose(table(browser, "kernel"), kernel, rtol=6e-3)  # small ones with 3 digits
    np.testing.assert_allclose(table(browser, "products"), window * kernel, rtol=6e-4)


def test_everything_is_visible(opened):
    for selector in (
        "h1",
        "#picture",
        "#result",
        "#window-mark",
        "#result-mark",
        "#kernels",
        "#turn",
        "#magnitude",
        "#window td",
        "#kernel input",
        "#products td",
        "#sum",
        "#shown",
        "#swatch",
    ):
        assert opened.visible(selector), selector
    assert opened.text("h1") == "A kernel on a <b> & photo.png"
    # On a window of usual size nothing sticks out at the side.
    assert opened.run("return document.documentElement.scrollWidth <= innerWidth")


def test_it_begins_in_the_middle_with_the_kernel_asked_for(opened, page):
    image = pixels_of(page)
    assert np.array_equal(canvas(opened, "picture"), image)
    assert np.array_equal(canvas(opened, "result"), shown(apply(image, filters.kernel("laplacian"))))
    check(opened, image, filters.kernel("laplacian"), HEIGHT // 2, WIDTH // 2)


@pytest.mark.parametrize(("row", "column"), [(3, 5), (0, 0), (HEIGHT - 1, WIDTH - 1), (17, 0)])
def test_the_mouse_moves_the_window(opened, page, row, column):
    go_to(opened, row, column)
    check(opened, pixels_of(page), filters.kernel("laplacian"), row, column)
    outside = opened.run("return document.querySelectorAll('#window .outside').length")
    assert outside == {(3, 5): 0, (17, 0): 3}.get((row, column), 5)


def test_arrow_keys_move_the_window(opened, page):
    go_to(opened, 4, 4)
    opened.click("h1")
    opened.press("#picture-frame", "\ue015\ue015\ue014\ue013\ue012")  # down, down, right, up, left
    check(opened, pixels_of(page), filters.kernel("laplacian"), 5, 4)


def test_editing_a_number_changes_the_picture(opened, page):
    image, kernel = pixels_of(page), filters.kernel("laplacian")
    before = canvas(opened, "result")
    go_to(opened, 10, 12)
    opened.type("#kernel tr:nth-child(2) td:nth-child(2) input", "-3.5")
    kernel[1, 1] = -3.5
    after = canvas(opened, "result")
    assert (before != after).any()
    assert np.array_equal(after, shown(apply(image, kernel)))
    check(opened, image, kernel, 10, 12)
    assert opened.run("return document.getElementById('kernels').selectedOptions[0].text") == "edited"
    # Half a number changes nothing.
    opened.type("#kernel tr:nth-child(1) td:nth-child(1) input", "-")
    assert np.array_equal(canvas(opened, "result"), after)


def choose(browser, name):
    script = """
        const select = document.getElementById("kernels");
        select.value = arguments[0];
        select.dispatchEvent(new Event("change"));
    """
    browser.run(script, name)


@pytest.mark.parametrize("name", filters.kernel_names())
def test_every_kernel_gives_the_library_s_picture(opened, page, name):
    image, kernel = pixels_of(page), filters.kernel(name)
    if name not in data_of(page)["kernels"]:
        pytest.skip("a kernel that does not fit on the page")
    choose(opened, name)
    found, exact = canvas(opened, "result"), apply(image, kernel)
    # Halfway between two shades the last bit of a sum decides.
    near_half = np.abs(exact - np.floor(exact) - 0.5) < 1e-9
    assert np.array_equal(found[~near_half], shown(exact)[~near_half])
    go_to(opened, 12, 30)
    check(opened, image, kernel, 12, 30)


def test_magnitude_and_half_a_turn(opened, page):
    image, kernel = pixels_of(page), filters.kernel("sobel-horizontal")
    choose(opened, "sobel-horizontal")
    opened.click("#turn")
    assert np.array_equal(canvas(opened, "result"), shown(apply(image, kernel[::-1, ::-1])))
    opened.click("#magnitude")
    assert np.array_equal(canvas(opened, "result"), shown(np.abs(apply(image, kernel))))


def test_a_broken_page_would_be_noticed(browser, page, tmp_path):
    broken = tmp_path / "broken.html"
    broken.write_text(page.read_text(encoding="utf-8").replace("choose(data", "chose(data"), encoding="utf-8")
    browser.open(broken)
    assert any("chose is not defined" in message for message in browser.errors())


def test_a_large_kernel_fits_on_the_page(opened):
    choose(opened, "gaussian")
    go_to(opened, 1, 1)
    assert opened.run("return document.documentElement.scrollWidth <= innerWidth")
    with Image.open(io.BytesIO(opened.screenshot())) as picture:
        assert np.asarray(picture.convert("L")).std() > 20
