"""
Makes the pictures of the course, beside this file or in another folder.

    python docs/course/pictures.py
    python docs/course/pictures.py FOLDER
"""

import runpy
import sys
from pathlib import Path

import numpy as np
from sklearn.datasets import load_sample_image

import convnative as cn
from convnative import filters, models, plot

HERE = Path(__file__).resolve().parent
IMAGE = [[1, 1, 1, 0, 0], [0, 1, 1, 1, 0], [0, 0, 1, 1, 1], [0, 0, 1, 1, 0], [0, 1, 1, 0, 0]]
CROSS = [[1, 0, 1], [0, 1, 0], [1, 0, 1]]


def receptive_field():
    photograph = load_sample_image("china.jpg")[100:324, 150:374].mean(axis=2)
    with cn.init.skip_random():
        table = cn.summary(models.vgg16(), (1, 3, 224, 224))
    layers = ["features.4", "features.9", "features.16", "features.23", "features.30"]
    return plot.receptive_field(photograph, table, layers, title="VGG-16: what one output sees")


def alexnet():
    with cn.init.skip_random():
        return plot.architecture(cn.summary(models.alexnet_2012(), (1, 3, 227, 227)), columns=7)


def image_kernels():
    names = ["sobel-horizontal", "laplacian", "sharpen", "binomial3"]
    return plot.kernels(np.stack([filters.kernel(name) for name in names]), names=names)


def learning():
    example = runpy.run_path(str(HERE.parents[1] / "examples" / "learn_filter.py"))
    kernel = filters.kernel("sobel-horizontal")
    shown, _, _ = example["learn"](kernel, 600, np.random.default_rng(0))
    return plot.kernels(np.stack(list(shown.values())), names=list(shown))


PICTURES = {
    "window-1d.png": lambda: plot.sliding_window([1, 2, 3, 4, 5], [1, 0, -1], columns=3),
    "window-2d.png": lambda: plot.sliding_window(IMAGE, CROSS),
    "alexnet.png": alexnet,
    "receptive-field.png": receptive_field,
    "image-kernels.png": image_kernels,
    "learning.png": learning,
}


def main():
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE
    for name, draw in PICTURES.items():
        draw().savefig(folder / name, dpi=90)


if __name__ == "__main__":
    main()
