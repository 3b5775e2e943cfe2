"""`parametrize_with_quantizer_checks`: one test of pytest for each quantiser and property."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from alpt_ref.errors import InputError
from alpt_ref.quantizer.lattice import Lattice
from alpt_ref.testing.quantizer.check import CHECKS, check_quantizer, prepared
from alpt_ref.testing.quantizer.report import NOT_APPLICABLE, NOTE, PROPERTIES

__all__ = ["QuantizerCheck", "parametrize_with_quantizer_checks"]


class QuantizerCheck:
    """One property, to be called with a quantiser.

    Parameters
    ----------
    name : str
        The property.
    lattice : Lattice
    options : mapping
        Further arguments of `check_quantizer`.
    """

    def __init__(self, name: str, lattice: Lattice, options: Mapping[str, Any]) -> None:
        self.name, self.lattice, self.options = name, lattice, dict(options)

    def __repr__(self) -> str:
        """The name of the property."""
        return self.name

    def __call__(self, quantizer: Callable[[Any, int], Any]) -> None:
        """Check it.

        Raises
        ------
        AssertionError
            The quantiser does not have the property. Where that is a note, or the property does not apply, the test is
            skipped with what was seen.
        """
        import pytest

        outcome = check_quantizer(quantizer, self.lattice, only=(self.name,), **self.options)[self.name]
        if outcome.status in (NOTE, NOT_APPLICABLE):
            pytest.skip(f"{outcome.status}: {outcome.text}")
        assert outcome.status == "passed", (
            f"{self.name} ({PROPERTIES[self.name]}): {outcome.text}\n{outcome.example or ''}"
        )


def parametrize_with_quantizer_checks(
    quantizers: Iterable[Callable[[Any, int], Any]]
    | Callable[[Any, int], Any]
    | Mapping[str, Callable[[Any, int], Any]],
    lattice: Lattice,
    *,
    effort: str | float = "quick",
    only: Iterable[str] = (),
    **options: Any,
) -> Any:
    """Decorate a test of pytest that takes ``quantizer`` and ``check``: one test for each pair.

    What breaks a rule of `check_quantizer` raises its `InputError` here, while tests are collected.

    Parameters
    ----------
    quantizers : a function ``fn(x, draw)``, several, or several by name
    lattice : Lattice
    effort, only, **options
        As `check_quantizer` takes them.

    Examples
    --------
    ::

        @parametrize_with_quantizer_checks(my_quantizer, Uniform(0.1, 8), rounding="sr")
        def test_my_quantizer(quantizer, check):
            check(quantizer)
    """
    import pytest

    if isinstance(quantizers, Mapping):
        named = dict(quantizers)
    elif not callable(quantizers) and not isinstance(quantizers, Iterable):
        raise InputError(f"quantizers must be functions fn(x, draw), got {type(quantizers).__name__}")
    else:
        named = {}
        for number, one in enumerate([quantizers] if callable(quantizers) else quantizers):
            label = f"{getattr(one, '__name__', 'quantizer')}{number or ''}"
            while label in named:  # ``f1``, the second ``f``, and a function that is called so
                label += "_"
            named[label] = one
    if not named:
        raise InputError("quantizers must be one function fn(x, draw) at least, got none")
    only = (only,) if isinstance(only, str) else tuple(only) if isinstance(only, Iterable) else only
    require = options.get("require", ())
    if isinstance(require, Iterable) and not isinstance(require, str):  # each test reads it anew
        options["require"] = tuple(require)
    for one in named.values():
        prepared(one, lattice, effort=effort, only=only, **{key: options[key] for key in options if key != "name"})
    chosen = only or tuple(PROPERTIES)
    checks = [QuantizerCheck(name, lattice, {"effort": effort, **options}) for name in chosen if name in CHECKS]
    pairs = [pytest.param(fn, check, id=f"{name}-{check.name}") for name, fn in named.items() for check in checks]
    return pytest.mark.parametrize(("quantizer", "check"), pairs)
