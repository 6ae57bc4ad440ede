"""
Gradient descent finds the kernel of a filter from a photograph before and after.

    python examples/learn_filter.py
    python examples/learn_filter.py --kernel gaussian --picture kernel.png

A convolution layer of one kernel, which begins with small random numbers, sees patches of scikit-learn's two
photographs and what a filter made of them. The loss is a parabola in the weights, so that descent cannot end
anywhere else; what takes time is that neighbouring pixels are nearly equal, and the loss says little about
how a sum is shared between neighbours. Each patch is therefore freed of its mean, and Adam gives each weight
a step of its own.
"""

import argparse
import time

import numpy as np
from sklearn.datasets import load_sample_image

import convnative as cn
from convnative import filters, nn
from convnative import functional as F

KERNELS = {
    "sobel": filters.kernel("sobel-horizontal"),
    "gaussian": filters.kernel("binomial5"),
}


def grey_photographs():
    """Both photographs as float64 of shape (1, 1, H, W), with mean 0 and deviation 1."""
    photographs = []
    for name in ("china.jpg", "flower.jpg"):
        grey = load_sample_image(name) @ np.array([0.299, 0.587, 0.114])
        photographs.append(((grey - grey.mean()) / grey.std())[np.newaxis, np.newaxis])
    return photographs


def pairs(photographs, kernel, rng, count, size=40):
    """Random patches and the middle parts of what the kernel makes of them, which see no border."""
    patches = []
    for _ in range(count):
        photograph = photographs[rng.integers(len(photographs))]
        top, left = (rng.integers(length - size) for length in photograph.shape[2:])
        patch = photograph[0, :, top : top + size, left : left + size]
        patches.append((patch - patch.mean()) / (patch.std() + 0.1))
    x = np.stack(patches)
    return x, F.conv2d(x, kernel[np.newaxis, np.newaxis])


def learn(kernel, steps, rng):
    """Return the kernels at some steps, the losses and the final kernel."""
    photographs = grey_photographs()
    model = nn.Conv2d(1, 1, kernel.shape, bias=False, dtype=np.float64, rng=rng)
    optimizer = cn.optim.AdamW(model, lr=0.05, weight_decay=0.0)
    shown, losses = {}, []
    for step in range(steps):
        if step in (0, steps // 50, steps // 10, steps // 3):
            shown[f"step {step}"] = model.weight[0, 0].copy()
        optimizer.lr = 0.05 * (1 - step / steps)
        x, target = pairs(photographs, kernel, rng, count=4)
        loss, grads = cn.value_and_grad(lambda m, x=x, t=target: F.mse_loss(m(x), t), model)
        optimizer.step(grads)
        losses.append(float(loss))
    shown[f"step {steps}"] = model.weight[0, 0].copy()
    return shown, losses, model.weight[0, 0]


def main():
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument("--kernel", choices=KERNELS, help="one kernel alone (default: all)")
    parser.add_argument("--steps", type=int, default=1500, help="of gradient descent (default: 1500)")
    parser.add_argument("--seed", type=int, default=0, help="of all random numbers (default: 0)")
    parser.add_argument("--picture", metavar="FILE", help="draw the kernel as it forms (with --kernel)")
    parser.add_argument("--quick", action="store_true", help="600 steps")
    options = parser.parse_args()
    if options.picture and not options.kernel:
        parser.error("--picture: needs --kernel")
    steps = 600 if options.quick else options.steps

    for name in [options.kernel] if options.kernel else KERNELS:
        begin = time.perf_counter()
        kernel = KERNELS[name]
        shown, losses, learned = learn(kernel, steps, np.random.default_rng(options.seed))
        print(f"{name}: loss {losses[0]:.3g} -> {losses[-1]:.3g} in {time.perf_counter() - begin:.1f} s")
        print(np.array2string(learned.round(4) + 0.0, precision=4, suppress_small=True))
        print(f"largest error of {name} {np.abs(learned - kernel).max():.2e}")
        if options.picture:
            from convnative import plot

            shown["the filter's"] = kernel
            figure = plot.kernels(np.stack(list(shown.values())), names=list(shown), title=f"{name}, learned")
            figure.savefig(options.picture)
            print(f"picture: {options.picture}")


if __name__ == "__main__":
    main()
