"""Adapters: what other people's quantisers look like, as the function ``fn(x, draw)`` that `check_quantizer` takes.

`stateful` for those with a generator of their own, `from_words` for those that are given their random words,
`from_codes` for those that return codes, `from_torch` and `from_cupy` for arrays of these libraries.
They can be put around one another: ``from_codes(from_torch(fn), lattice)``.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref._util import check as _check
from alpt_ref._version import install_hint
from alpt_ref.errors import InputError
from alpt_ref.quantizer.lattice import Lattice, require_lattice

__all__ = ["from_codes", "from_cupy", "from_torch", "from_words", "stateful"]

Floats = NDArray[np.float32]


class _Adapter:
    """A function ``fn(x, draw)`` around another one."""

    def __init__(self, fn: Callable[..., Any]) -> None:
        if not callable(fn):
            raise InputError(f"fn must be a function, got {type(fn).__name__}")
        self.fn = fn
        self.__name__ = getattr(fn, "__name__", type(fn).__name__)


def known_besides(fn: object, name: str) -> Any:
    """What an adapter knows of its quantiser besides the call (`with_words`, `codes`, `gradient`), or None.

    Of any other function nothing: an attribute of that name may be anything.
    """
    return getattr(fn, name, None) if isinstance(fn, _Adapter) else None


class stateful(_Adapter):  # noqa: N801  # used as a function
    """A quantiser with a generator of its own, seeded anew for each draw.

    Parameters
    ----------
    fn : callable
        ``fn(x)`` with `seed`, else ``fn(draw)``, which makes the quantiser of a draw.
    seed : callable ``seed(draw)``, optional
        Seeds the generator, for example ``torch.manual_seed``.

    Examples
    --------
    >>> class Quantizer:
    ...     def __init__(self, seed):
    ...         self.random = np.random.default_rng(seed)
    ...     def __call__(self, x):
    ...         return np.floor(x + self.random.random(x.shape)).astype(np.float32)
    >>> fn = stateful(Quantizer)
    >>> x = np.full((1, 4), 0.5, np.float32)
    >>> np.array_equal(fn(x, 3), fn(x, 3))
    True
    """

    def __init__(self, fn: Callable[..., Any], seed: Callable[[int], Any] | None = None) -> None:
        super().__init__(fn)
        if not (seed is None or callable(seed)):
            raise InputError(f"seed must be a function seed(draw), got {type(seed).__name__}")
        self.seed = seed

    def __call__(self, x: Any, draw: int) -> Any:
        """Round."""
        if self.seed is None:
            return self.fn(draw)(x)
        self.seed(draw)
        return self.fn(x)


class from_words(_Adapter):  # noqa: N801
    """A quantiser that is given its random words, one for each element: its bias is counted exactly.

    Parameters
    ----------
    fn : callable ``fn(x, words)``
        `words` is a uint32 array of x's shape.
    bits : int
        Words are uniform on ``0 .. 2**bits - 1``, 1 to 32.
    seed : int
        Of the words that it is given when it is called with a draw.

    Examples
    --------
    >>> fn = from_words(lambda x, words: np.floor(x + words * 2.0**-32).astype(np.float32))
    >>> fn(np.array([[2.0, -1.0]], np.float32), 0)
    array([[ 2., -1.]], dtype=float32)
    """

    def __init__(self, fn: Callable[[Any, Any], Any], *, bits: int = 32, seed: int = 0) -> None:
        super().__init__(fn)
        self.word_bits = _check.whole_number("bits", bits, 1, 33)
        self.seed = _check.whole_number("seed", seed, 0, 1 << 63)

    def with_words(self, x: Any, words: Any) -> Any:
        """Round with given words."""
        return self.fn(x, words)

    def __call__(self, x: Any, draw: int) -> Any:
        """Round with the words of a draw."""
        random = np.random.Generator(np.random.Philox(key=[self.seed, draw]))
        return self.fn(x, random.integers(0, 1 << self.word_bits, size=np.shape(x), dtype=np.uint32))


class from_codes(_Adapter):  # noqa: N801
    """A quantiser that returns codes: they are decoded by the lattice.

    Parameters
    ----------
    fn : callable ``fn(x, draw)``
        Returns whole numbers, of any dtype.
    lattice : Lattice

    Examples
    --------
    >>> from alpt_ref import QuantSpec, quantize
    >>> from alpt_ref.testing import Uniform
    >>> spec = QuantSpec(4, "dr")
    >>> fn = from_codes(lambda x, draw: quantize(x, 0.5, spec, counter=draw), Uniform(0.5, 4))
    >>> fn(np.array([[0.9]], np.float32), 0)
    array([[1.]], dtype=float32)
    """

    def __init__(self, fn: Callable[[Any, int], Any], lattice: Lattice) -> None:
        super().__init__(fn)
        self.lattice = require_lattice(lattice)
        if isinstance(fn, from_words):
            self.word_bits = fn.word_bits
            self.with_words = lambda x, words: lattice.decode(fn.with_words(x, words))

    def codes(self, x: Any, draw: int) -> NDArray[Any]:
        """Codes."""
        return np.asarray(self.fn(x, draw))

    def __call__(self, x: Any, draw: int) -> Floats:
        """Values of the codes."""
        return self.lattice.decode(self.codes(x, draw))


class from_torch(_Adapter):  # noqa: N801
    """A quantiser of PyTorch tensors; its gradient is found by autograd, where there is one.

    Parameters
    ----------
    fn : callable ``fn(x, draw)``
        Takes and returns a tensor.
    device : str
        Where x is put.

    Raises
    ------
    InputError
        PyTorch is not installed.
    """

    def __init__(self, fn: Callable[[Any, int], Any], device: str = "cpu") -> None:
        super().__init__(fn)
        self.torch, self.device = _module("torch", "PyTorch", "peers"), device

    def _tensor(self, x: NDArray[Any]) -> Any:
        """A tensor with the strides of x where PyTorch has such; it may write to it as to x."""
        writeable = x if x.flags.writeable else x.copy(order="K")
        if any(stride < 0 for stride in writeable.strides):  # PyTorch has none of these
            writeable = writeable.copy()
        return self.torch.from_numpy(writeable).to(self.device)

    def __call__(self, x: Any, draw: int) -> NDArray[Any]:
        """Round; a NumPy array comes back."""
        with self.torch.no_grad():
            result = self.fn(self._tensor(x), draw)
        return self._numpy(result)

    def _numpy(self, tensor: Any) -> NDArray[Any]:
        plain = tensor.detach()
        if plain.dtype in (self.torch.bfloat16, *self._small_floats()):
            plain = plain.to(self.torch.float32)
        return np.asarray(plain.cpu().numpy())

    def _small_floats(self) -> list[Any]:
        names = ("float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz")
        return [getattr(self.torch, name) for name in names if hasattr(self.torch, name)]

    def gradient(self, x: Any, g: Any, draw: int) -> NDArray[Any] | None:
        """Gradient of x for the gradient g of the result; None where none flows, or in fewer digits than float32."""
        leaf = self._tensor(x.copy()).requires_grad_()
        result = self.fn(leaf, draw)
        if not getattr(result, "requires_grad", False) or result.dtype != self.torch.float32:
            return None
        result.backward(self._tensor(g.copy()))
        return None if leaf.grad is None else np.asarray(leaf.grad.cpu().numpy())


class from_cupy(_Adapter):  # noqa: N801
    """A quantiser of CuPy arrays.

    Parameters
    ----------
    fn : callable ``fn(x, draw)``
        Takes and returns a CuPy array.

    Raises
    ------
    InputError
        CuPy is not installed.
    """

    def __init__(self, fn: Callable[[Any, int], Any]) -> None:
        super().__init__(fn)
        self.cupy = _module("cupy", "CuPy", "gpu")

    def __call__(self, x: Any, draw: int) -> NDArray[Any]:
        """Round; a NumPy array comes back."""
        return np.asarray(self.cupy.asnumpy(self.fn(self.cupy.asarray(x), draw)))


def _module(name: str, title: str, extra: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        raise InputError(f"{title} is not installed: {install_hint(extra)}") from None
