"""What the tables share."""


def for_axes(rows, axes=(1, 2, 3), **names):
    """
    Write each row for 1, 2 and 3 spatial axes.

    ``{n}`` in the code is the number of axes, and what `names` says is filled in before it.
    """
    return [
        (f"{n}d-{name}", code.format(**{k: v.format(n=n) for k, v in names.items()}, n=n), outcome, detail)
        for n in axes
        for name, code, outcome, detail in rows
    ]
