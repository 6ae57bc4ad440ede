"""Sizes that are names: expressions that simplify themselves."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple


class _Quotient(NamedTuple):
    """``floor(numerator / divisor)``, where the division does not come out even for every value."""

    numerator: Expression
    divisor: int

    def __str__(self) -> str:
        text = str(self.numerator)
        return f"floor({text if self.numerator.is_product else f'({text})'}/{self.divisor})"


_Atom = str | _Quotient
_Monomial = tuple[_Atom, ...]


class Expression:
    """A size that depends on named sizes: a polynomial with whole coefficients over names and floors.

    Expressions come out of the functions of this module when a size is given as a name. They are kept in a
    normal form, so that equal sizes usually compare equal and print the same text, and they add, subtract,
    multiply, and divide by a positive int with ``//``. A result that depends on no name is an int.

    Examples
    --------
    >>> height = symbol("H")
    >>> (height + 2 - 3) // 2 + 1
    floor((H + 1)/2)
    >>> (2 * height + 4) // 2 - height
    2
    >>> ((height + 1) // 2).evaluate(H=28)
    14
    """

    __slots__ = ("_terms",)

    def __init__(self, terms: dict[_Monomial, int]) -> None:
        ordered = sorted(terms.items(), key=lambda term: (term[0] == (), [str(atom) for atom in term[0]]))
        self._terms = tuple(ordered)

    @property
    def is_product(self) -> bool:
        """Whether the expression is one term, which needs no brackets below a fraction bar."""
        return len(self._terms) == 1

    def evaluate(self, **sizes: int) -> int:
        """Return the size for given values of the names.

        Parameters
        ----------
        **sizes : int
            A value for every name of the expression.

        Returns
        -------
        int
            The value of the expression.

        Raises
        ------
        ValueError
            If a name has no value.

        Examples
        --------
        >>> from convnative.shapes import conv_output_size
        >>> conv_output_size("H", 3, stride=2).evaluate(H=224)
        111
        """

        def value(atom: _Atom) -> int:
            if isinstance(atom, _Quotient):
                return atom.numerator.evaluate(**sizes) // atom.divisor
            if atom not in sizes:
                raise ValueError(f"sizes: expected a value for {atom!r}, received {sorted(sizes)}")
            return sizes[atom]

        return sum(factor * math.prod(map(value, atoms)) for atoms, factor in self._terms)

    def __add__(self, other: int | Expression) -> int | Expression:
        terms = dict(self._terms)
        for atoms, factor in _terms_of(other):
            terms[atoms] = terms.get(atoms, 0) + factor
        return _simplified(terms)

    __radd__ = __add__

    def __neg__(self) -> int | Expression:
        return self * -1

    def __sub__(self, other: int | Expression) -> int | Expression:
        return self + other * -1

    def __rsub__(self, other: int | Expression) -> int | Expression:
        return self * -1 + other

    def __mul__(self, other: int | Expression) -> int | Expression:
        terms: dict[_Monomial, int] = {}
        for left, left_factor in self._terms:
            for right, right_factor in _terms_of(other):
                atoms = tuple(sorted(left + right, key=str))
                terms[atoms] = terms.get(atoms, 0) + left_factor * right_factor
        return _simplified(terms)

    __rmul__ = __mul__

    def __mod__(self, divisor: int) -> int | Expression:
        """Return what is left over by ``//``; an int when it is the same for every value of the names."""
        return _simplified({atoms: factor % divisor for atoms, factor in self._terms})

    def __floordiv__(self, divisor: int) -> int | Expression:
        # Whole multiples of the divisor leave the floor; what stays inside has factors in [0, divisor).
        whole = _simplified({atoms: factor // divisor for atoms, factor in self._terms})
        return whole + _floor(self % divisor, divisor)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Expression) and self._terms == other._terms

    def __hash__(self) -> int:
        return hash(self._terms)

    def __repr__(self) -> str:
        text = ""
        for atoms, factor in self._terms:
            size = abs(factor)
            parts = [str(size)] if size != 1 or not atoms else []
            product = "*".join(parts + [str(atom) for atom in atoms])
            if not text:
                text = product if factor > 0 else f"-{product}"
            else:
                text += f" + {product}" if factor > 0 else f" - {product}"
        return text


def _terms_of(value: int | Expression) -> Iterable[tuple[_Monomial, int]]:
    return value._terms if isinstance(value, Expression) else (((), value),)


def _simplified(terms: dict[_Monomial, int]) -> int | Expression:
    kept = {atoms: factor for atoms, factor in terms.items() if factor != 0}
    if not kept:
        return 0
    if set(kept) == {()}:
        return kept[()]
    return Expression(kept)


def _floor(numerator: int | Expression, divisor: int) -> int | Expression:
    """Return ``floor(numerator / divisor)`` in normal form; the numerator's factors are below the divisor."""
    if isinstance(numerator, int):
        return numerator // divisor
    terms = dict(numerator._terms)
    constant = terms.pop((), 0)
    common = math.gcd(divisor, *terms.values())
    if common > 1:
        terms = {atoms: factor // common for atoms, factor in terms.items()}
        return (Expression(terms) + constant // common) // (divisor // common)
    (atoms, factor), *others = terms.items()
    if not others and factor == 1 and len(atoms) == 1 and isinstance(atoms[0], _Quotient):
        # floor((floor(a/b) + c)/d) = floor((a + b*c)/(b*d))
        inner = atoms[0]
        return (inner.numerator + inner.divisor * constant) // (inner.divisor * divisor)
    return Expression({(_Quotient(numerator, divisor),): 1})


def symbol(name: str) -> Expression:
    """Return the expression that stands for a named size.

    Parameters
    ----------
    name : str
        A name such as ``"N"``; a Python identifier.

    Returns
    -------
    Expression
        The unknown size.

    Raises
    ------
    ValueError
        If the name is not an identifier.

    Examples
    --------
    >>> symbol("H") + 2
    H + 2
    """
    if not name.isidentifier():
        raise ValueError(f"name: expected an identifier such as 'H', received {name!r}")
    return Expression({(name,): 1})
