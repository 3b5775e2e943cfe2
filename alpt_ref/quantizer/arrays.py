"""The quantiser on arrays: `quantize`, `dequantize` and the gradient of the step size.

The value of a code is ``step_size * code``, rounded to float32. A weight inside the range lies between the values of
two neighbouring codes; nearest rounding (DR) takes the nearer one, the upper one in a tie, and stochastic rounding (SR)
the upper one with the probability that makes the mean value the weight, up to ``2**-32`` of the distance between them.
A weight outside gets the code at the end of the range. Values are fixed: ``quantize(dequantize(c, s), s, spec)`` is c.
`alpt_ref.scalar.lattice` says why all this holds for float32 numbers, not only for real ones.

Every function takes NumPy arrays, or arrays of a GPU (CuPy, or anything with ``__cuda_array_interface__``): for these
it works there and returns CuPy arrays, bit for bit the same.
"""

from __future__ import annotations

from typing import Any, Literal, cast, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from alpt_ref._util import check as _check
from alpt_ref._util.former_names import former_keywords
from alpt_ref.errors import InputError
from alpt_ref.kernels.arguments import RandomStream
from alpt_ref.kernels.backend import get_backend
from alpt_ref.kernels.cpu import quantize as kernels
from alpt_ref.kernels.cpu.unique import any_not_finite
from alpt_ref.kernels.jit import run_rows
from alpt_ref.kernels.memory import aligned_empty
from alpt_ref.kernels.types import Codes
from alpt_ref.quantizer.finite import grid_step_sizes, require_finite_values
from alpt_ref.quantizer.gpu import gpu_half
from alpt_ref.quantizer.keys import row_numbers
from alpt_ref.quantizer.packing import pack_checked
from alpt_ref.quantizer.place import code_matrix, grain, on_device
from alpt_ref.quantizer.spec import QuantSpec, check_columns, check_spec, seed_words, words_per_row
from alpt_ref.scalar.philox import MAX_STEPS, PURPOSE_QUANTIZE

RowNumbers = int | NDArray[np.integer[Any]] | None


@overload
def quantize(
    w: NDArray[np.float32],
    step_size: ArrayLike,
    spec: QuantSpec,
    *,
    seed: int = ...,
    counter: int = ...,
    rows: RowNumbers = ...,
    device: str | None = ...,
    packed: Literal[False] = ...,
) -> Codes: ...
@overload
def quantize(
    w: NDArray[np.float32],
    step_size: ArrayLike,
    spec: QuantSpec,
    *,
    seed: int = ...,
    counter: int = ...,
    rows: RowNumbers = ...,
    device: str | None = ...,
    packed: Literal[True],
) -> NDArray[np.uint32]: ...
@overload
def quantize(
    w: NDArray[np.float32],
    step_size: ArrayLike,
    spec: QuantSpec,
    *,
    seed: int = ...,
    counter: int = ...,
    rows: RowNumbers = ...,
    device: str | None = ...,
    packed: bool,
) -> Codes | NDArray[np.uint32]: ...
@former_keywords(step="step_size")
def quantize(
    w: NDArray[np.float32],
    step_size: ArrayLike,
    spec: QuantSpec,
    *,
    seed: int = 0,
    counter: int = 0,
    rows: RowNumbers = None,
    device: str | None = None,
    packed: bool = False,
) -> Codes | NDArray[np.uint32]:
    """Codes of `w`: each weight gets one of the two codes between whose values (`dequantize`) it lies.

    Parameters
    ----------
    w : float32 array (n, d)
        Finite weights.
    step_size : float or array (n,)
        Positive, and such that ``2**(bits - 1) * step_size`` is finite in float32: one for all rows or one per row.
    spec : QuantSpec
    seed : int
        Key of the random words of SR, in ``[0, 2**64)``.
    counter : int
        Number of this draw, in ``[0, 2**56)``: another counter gives independent words. The word of an element
        depends on (seed, counter, row, column) alone.
    rows : int or integer array (n,), optional
        Row numbers that key the random words, in ``[0, 2**48)``: one per row, or the first of consecutive ones;
        default 0. A matrix quantised in pieces, or as shards, gets the codes of the whole if each piece names the rows
        that it holds. Rows of equal number get equal words. On a GPU they must be consecutive.
    device : {"cpu", "cuda"}, optional
        Where to compute; by default where `w` is. With ``"cuda"`` a NumPy `w` is copied to the GPU and the codes back.
    packed : bool
        Return the codes in 32-bit words, as `pack` does, without the detour over unpacked codes on a GPU.

    Returns
    -------
    int8 array (n, d) up to 8 bits, int16 array (n, d) for 16 bits, uint32 array (n, ceil(d * bits / 32)) if `packed`
        A NumPy array for a NumPy `w`, a CuPy array for an array on a GPU.

    Raises
    ------
    InputError
        If `w` is not float32 of two dimensions or holds NaN or infinity, `step_size` is not positive or too large,
        `rows` are not whole numbers of the range, or the device cannot be used here.

    Notes
    -----
    With SR the mean value over all ``2**32`` words differs from a weight inside the range by less than ``2**-32`` of
    the distance between the two values (away from zero; at most ``2**-53`` of it towards zero). With DR no value of a
    code is nearer. Both are about the values that `dequantize` returns. These differ from the real multiples of the
    step size by a rounding, at most ``2**-9`` of a step at 16 bits and ``2**-17`` at 8.

    Examples
    --------
    >>> import numpy as np
    >>> from alpt_ref import QuantSpec, quantize
    >>> w = np.array([[0.26, -0.9], [0.6, 0.1], [0.4, -0.3]], dtype=np.float32)
    >>> quantize(w, 0.5, QuantSpec(4, "dr"))
    array([[ 1, -2],
           [ 1,  0],
           [ 1, -1]], dtype=int8)
    >>> whole = quantize(w, 0.5, QuantSpec(4, "sr"), seed=1)
    >>> np.array_equal(quantize(w[1:], 0.5, QuantSpec(4, "sr"), seed=1, rows=1), whole[1:])
    True
    """
    if device is None:
        device = "cuda" if on_device(w) else "cpu"
    get_backend(device)  # says why, where the device cannot be used
    check_spec(spec)
    key = seed_words(seed)
    counter = _check.whole_number("counter", counter, 0, MAX_STEPS)
    if device == "cuda":
        return cast(Codes, gpu_half().quantize(w, step_size, spec, key, counter, rows, packed))
    w = _check.float32_matrix("w", w)
    n, d = w.shape
    step_sizes = grid_step_sizes(step_size, n, spec.bits)
    check_columns(d)
    first = row_numbers(rows, n)
    bits, stream = spec.bits, RandomStream(counter, PURPOSE_QUANTIZE, *key)
    words = aligned_empty((n, words_per_row(bits, d)), np.uint32) if packed else None
    own_bytes = bits >= 8 and d * bits % 32 == 0  # the words are the codes' own bytes, one after the other
    in_words = words is not None and not own_bytes and isinstance(first, int)  # packed while in the cache
    out: Any = words if words is not None and (own_bytes or in_words) else aligned_empty(w.shape, spec.dtype)
    if words is not None and own_bytes:
        out = words.view(spec.dtype)
    if spec.rounding == "dr":
        to_nearest = kernels.quantize_dr_packed if in_words else kernels.quantize_dr
        bad = run_rows(to_nearest, n, w, step_sizes, bits, out, grain=grain(d))
    elif isinstance(first, int):
        at_random = kernels.quantize_sr_packed if in_words else kernels.quantize_sr
        bad = run_rows(at_random, n, w, step_sizes, bits, stream, first, out, grain=grain(d))
    else:
        bad = run_rows(kernels.quantize_sr_rows, n, w, step_sizes, bits, stream, first, out, grain=grain(d))
    if any(bad):
        require_finite("w", w)
    if words is None:
        return cast(Codes, out)
    return words if own_bytes or in_words else pack_checked(out, bits)


def require_finite(name: str, values: NDArray[np.float32]) -> None:
    """Raise `InputError` with the place of the first NaN or infinity of a float32 array (rows, columns)."""
    counts = run_rows(any_not_finite, len(values), values, grain=grain(values.shape[1]))
    if any(counts):
        row, column = (int(index[0]) for index in np.nonzero(~np.isfinite(values)))
        raise InputError(f"{name} must be finite, got {values[row, column]} at row {row}, column {column}")


@former_keywords(step="step_size")
def dequantize(codes: Codes, step_size: ArrayLike) -> NDArray[np.float32]:
    """Values ``step_size * codes``, each rounded once to float32.

    Parameters
    ----------
    codes : int8 or int16 array (n, d)
    step_size : float or array (n,)
        Finite and positive.

    Returns
    -------
    float32 array (n, d)

    Raises
    ------
    InputError
        If `codes` has another dtype or number of dimensions, `step_size` is not finite and positive, or a value exceeds
        float32.

    Examples
    --------
    >>> import numpy as np
    >>> from alpt_ref import dequantize
    >>> dequantize(np.array([[1, -2]], dtype=np.int8), 0.5)
    array([[ 0.5, -1. ]], dtype=float32)
    """
    codes = code_matrix(codes)
    if on_device(codes):
        return cast(NDArray[np.float32], gpu_half().dequantize(codes, step_size))
    step_sizes = _check.step_sizes(step_size, codes.shape[0])
    out = np.empty(codes.shape, np.float32)
    run_rows(kernels.dequantize, len(out), codes, step_sizes, out, grain=grain(codes.shape[-1]))
    require_finite_values(out, codes, step_sizes)
    return out


@former_keywords(step="step_size")
def step_gradient(
    w: NDArray[np.float32], grad: NDArray[np.float32], step_size: ArrayLike, spec: QuantSpec
) -> NDArray[np.float32]:
    """Gradient of the step size of each row, straight through the rounding (Esser et al., LSQ, ICLR 2020).

    With ``x = w / step_size`` the derivative of an element is ``round(x) - x`` inside the code range (ends included),
    ``q_min`` below it and ``q_max`` above it; a row's gradient is the sum of ``grad`` times the derivative. The
    quotient is rounded to float32 first, as it is in training: beside a tie ``round(x)`` need not be `quantize`'s code.
    Rounding is nearest whatever ``spec.rounding`` says: under SR the expected derivative is zero (theory R6).

    Parameters
    ----------
    w, grad : float32 array (n, d)
        Weights before quantisation, and the loss gradient at the quantised values.
    step_size : float or array (n,)
        Positive, and such that ``2**(bits - 1) * step_size`` is finite in float32.
    spec : QuantSpec

    Returns
    -------
    float32 array (n,)

    Raises
    ------
    InputError
        If `w` or `grad` is not float32 of one shape (n, d) or holds NaN or infinity, or `step_size` is not positive or
        too large.

    Examples
    --------
    >>> import numpy as np
    >>> from alpt_ref import QuantSpec, step_gradient
    >>> w = np.array([[0.25, 9.0]], dtype=np.float32)
    >>> step_gradient(w, np.ones_like(w), 1.0, QuantSpec(4))
    array([6.75], dtype=float32)
    """
    check_spec(spec)
    if on_device(w):
        return cast(NDArray[np.float32], gpu_half().step_gradient(w, grad, step_size, spec.bits))
    w = _check.float32_matrix("w", w)
    grad = _check.float32_matrix("grad", grad, (w.shape[0], w.shape[1]))
    step_sizes = grid_step_sizes(step_size, w.shape[0], spec.bits)
    require_finite("w", w)
    require_finite("grad", grad)
    out = np.empty(w.shape[0], np.float32)
    run_rows(kernels.step_gradient, len(w), w, grad, step_sizes, spec.bits, out, grain=grain(w.shape[1]))
    return out
