"""The quantiser on arrays: `quantize`, `dequantize`, `step_gradient`, `pack`, `unpack` and the generator behind them.

``code = R(clip(w / step, q_min, q_max))`` and ``value = step * code``, with ``R`` nearest (DR, ties up) or stochastic
(SR) rounding; the bias of SR is at most ``2**-32`` of a step (see `alpt_ref.scalar.rounding`).

Every function takes NumPy arrays, or arrays of a GPU (CuPy, or anything with ``__cuda_array_interface__``): for these
it works there and returns CuPy arrays, with the same bits.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from alpt_ref._util import check as _check
from alpt_ref.errors import InputError
from alpt_ref.kernels.backend import get_backend
from alpt_ref.kernels.jit import run_rows
from alpt_ref.kernels.memory import aligned_empty
from alpt_ref.kernels.types import Codes
from alpt_ref.quantizer.spec import QuantSpec, check_columns, seed_words, words_per_row
from alpt_ref.scalar.philox import MAX_COLUMNS, MAX_STEPS, PURPOSE_QUANTIZE


def _on_device(value: Any) -> bool:
    return hasattr(value, "__cuda_array_interface__")


def _cuda() -> Any:
    """The GPU's half of this module; `InputError` where there is no GPU."""
    get_backend("cuda")
    from alpt_ref.quantizer import cuda as quantizer_cuda

    return quantizer_cuda


def philox4x32(counter: Any, key: Any) -> NDArray[np.uint32]:
    """Philox4x32-10 of each counter under each key (Salmon et al., SC 2011).

    Parameters
    ----------
    counter : uint32 array (..., 4)
    key : uint32 array (..., 2)
        Leading dimensions are broadcast against those of `counter`.

    Returns
    -------
    uint32 array (..., 4)

    Raises
    ------
    InputError
        If a dtype is not uint32 or a last dimension is not 4 and 2.
    """
    if _on_device(counter):
        return cast(NDArray[np.uint32], _cuda().philox4x32(_counters_and_keys, counter, key))
    counters, keys, shape = _counters_and_keys(np.asarray(counter), np.asarray(key), np)
    out = np.empty_like(counters)
    run_rows(get_backend().kernels.philox_rows, len(out), counters, keys, out, grain=4096)
    return cast(NDArray[np.uint32], out.reshape(*shape, 4))


def _counters_and_keys(counter: Any, key: Any, xp: Any) -> tuple[Any, Any, tuple[int, ...]]:
    """Counters (n, 4) and keys (n, 2) after broadcasting, and the leading shape."""
    for name, array, last in (("counter", counter, 4), ("key", key, 2)):
        if array.dtype != np.uint32 or array.ndim < 1 or array.shape[-1] != last:
            raise InputError(f"{name} must be uint32 of shape (..., {last}), got {array.dtype} of shape {array.shape}")
    try:
        shape = np.broadcast_shapes(counter.shape[:-1], key.shape[:-1])
    except ValueError:
        raise InputError(
            f"counter and key must have leading shapes that broadcast, got {counter.shape} and {key.shape}"
        ) from None
    spread = [
        array if array.shape[:-1] == shape else xp.broadcast_to(array, (*shape, last))
        for array, last in ((counter, 4), (key, 2))
    ]
    counters, keys = (xp.ascontiguousarray(array).reshape(-1, array.shape[-1]) for array in spread)
    return counters, keys, shape


def _grain(columns: int) -> int:
    """Rows worth a thread when a row has this many elements."""
    return max(1, 32768 // max(columns, 1))


def quantize(
    w: NDArray[np.float32],
    step: Any,
    spec: QuantSpec,
    *,
    seed: int = 0,
    counter: int = 0,
    device: str | None = None,
    packed: bool = False,
) -> Codes:
    """Codes of `w` on the grid ``step * k``.

    Parameters
    ----------
    w : float32 array (n, d)
        Finite weights.
    step : float or array (n,)
        Step size, finite and positive: one for all rows or one a row.
    spec : QuantSpec
    seed : int
        Key of the random words of SR, in ``[0, 2**64)``.
    counter : int
        Number of this draw, in ``[0, 2**56)``: another counter gives independent words. The word of an element
        depends on (seed, counter, row, column) alone.
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
        If `w` is not float32 of two dimensions or holds NaN or infinity, `step` is not finite and positive, or the
        device cannot be used here.

    Examples
    --------
    >>> import numpy as np
    >>> w = np.array([[0.26, -0.9]], dtype=np.float32)
    >>> quantize(w, 0.5, QuantSpec(4, "dr"))
    array([[ 1, -2]], dtype=int8)
    """
    if device is None:
        device = "cuda" if _on_device(w) else "cpu"
    backend = get_backend(device)
    if not isinstance(spec, QuantSpec):
        raise InputError(f"spec must be a QuantSpec, for example QuantSpec(8, 'sr'), got {spec!r}")
    key = seed_words(seed)
    counter = _check.whole_number("counter", counter, 0, MAX_STEPS)
    if device == "cuda":
        return cast(Codes, _cuda().quantize(w, step, spec, key, counter, packed))
    w = _check.float32_matrix("w", w)
    steps = _check.step_sizes(step, w.shape[0])
    check_columns(w.shape[1])
    codes = cast(Codes, aligned_empty(w.shape, spec.dtype))
    if spec.rounding == "dr":
        bad = run_rows(backend.kernels.quantize_dr, len(w), w, steps, spec.bits, codes, grain=_grain(w.shape[1]))
    else:
        arguments = (w, steps, spec.bits, counter, PURPOSE_QUANTIZE, 0, *key, codes)
        bad = run_rows(backend.kernels.quantize_sr, len(w), *arguments, grain=_grain(w.shape[1]))
    if any(bad):
        require_finite("w", w)
    return cast(Codes, _packed(codes, spec.bits)) if packed else codes


def require_finite(name: str, values: NDArray[np.float32]) -> None:
    """Raise `InputError` with the place of the first NaN or infinity of a float32 array (rows, columns)."""
    counts = run_rows(get_backend().kernels.any_not_finite, len(values), values, grain=_grain(values.shape[1]))
    if any(counts):
        row, column = (int(index[0]) for index in np.nonzero(~np.isfinite(values)))
        raise InputError(f"{name} must be finite, got {values[row, column]} at row {row}, column {column}")


def _code_matrix(codes: Any) -> Codes:
    if _on_device(codes):
        codes = get_backend("cuda").xp.asarray(codes)
    known = isinstance(codes, np.ndarray) or _on_device(codes)
    if not known or codes.dtype.kind not in "iu" or codes.ndim != 2:
        found = f"{codes.dtype} of shape {codes.shape}" if known else type(codes).__name__
        raise InputError(f"codes must be an array (n, d) of integers, int8 or int16, got {found}")
    if codes.dtype not in (np.int8, np.int16):
        low, high = -(1 << 15), (1 << 15) - 1
        if codes.size and (codes.min() < low or codes.max() > high):
            raise InputError(f"codes must be in [{low}, {high}], got {codes.min()} to {codes.max()}")
        codes = codes.astype(np.int16)
    contiguous: Codes = get_backend("cuda" if _on_device(codes) else "cpu").xp.ascontiguousarray(codes)
    return contiguous


def dequantize(codes: Codes, step: Any) -> NDArray[np.float32]:
    """Values ``step * codes``.

    Parameters
    ----------
    codes : int8 or int16 array (n, d)
    step : float or array (n,)
        Step size, finite and positive.

    Returns
    -------
    float32 array (n, d)
        Infinite where ``step * code`` exceeds float32.

    Raises
    ------
    InputError
        If `codes` has another dtype or number of dimensions, or `step` is not finite and positive.
    """
    codes = _code_matrix(codes)
    if _on_device(codes):
        return cast(NDArray[np.float32], _cuda().dequantize(codes, step))
    steps = _check.step_sizes(step, codes.shape[0])
    out = np.empty(codes.shape, np.float32)
    run_rows(get_backend().kernels.dequantize, len(out), codes, steps, out, grain=_grain(codes.shape[-1]))
    return out


def step_gradient(w: NDArray[np.float32], grad: NDArray[np.float32], step: Any, spec: QuantSpec) -> NDArray[np.float32]:
    """Gradient of the step size of each row, straight through the rounding (Esser et al., LSQ, ICLR 2020).

    With ``x = w / step`` the derivative of an element is ``round(x) - x`` inside the code range (ends included),
    ``q_min`` below it and ``q_max`` above it; a row's gradient is the sum of ``grad`` times the derivative.
    Rounding is nearest whatever ``spec.rounding`` says: under SR the expected derivative is zero (theory R6).

    Parameters
    ----------
    w, grad : float32 array (n, d)
        Weights before quantisation, and the loss gradient at the quantised values.
    step : float or array (n,)
        Step size, finite and positive.
    spec : QuantSpec

    Returns
    -------
    float32 array (n,)

    Raises
    ------
    InputError
        If `w` or `grad` is not float32 of one shape (n, d) or holds NaN or infinity, or `step` is not finite and
        positive.
    """
    if not isinstance(spec, QuantSpec):
        raise InputError(f"spec must be a QuantSpec, for example QuantSpec(8, 'sr'), got {spec!r}")
    if _on_device(w):
        return cast(NDArray[np.float32], _cuda().step_gradient(w, grad, step, spec.bits))
    w = _check.float32_matrix("w", w)
    grad = _check.float32_matrix("grad", grad, (w.shape[0], w.shape[1]))
    steps = _check.step_sizes(step, w.shape[0])
    require_finite("w", w)
    require_finite("grad", grad)
    out = np.empty(w.shape[0], np.float32)
    run_rows(get_backend().kernels.step_gradient, len(w), w, grad, steps, spec.bits, out, grain=_grain(w.shape[1]))
    return out


def pack(codes: Codes, bits: int) -> NDArray[np.uint32]:
    """Codes in 32-bit words, low bits first; unused high bits of a row's last word are zero.

    Parameters
    ----------
    codes : int8 or int16 array (n, d)
    bits : {2, 4, 8, 16}

    Returns
    -------
    uint32 array (n, ceil(d * bits / 32))

    Raises
    ------
    InputError
        If a code does not fit in `bits` bits.
    """
    bits = _check.bits(bits)
    codes = _code_matrix(codes)
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    if codes.size and (int(codes.min()) < low or int(codes.max()) > high):
        raise InputError(
            f"codes must be in [{low}, {high}] for {bits} bits, got {int(codes.min())} to {int(codes.max())}"
        )
    if _on_device(codes):
        return cast(NDArray[np.uint32], _cuda().pack(codes, bits, words_per_row(bits, codes.shape[1])))
    return _packed(codes, bits)


def _packed(codes: Codes, bits: int) -> NDArray[np.uint32]:
    words = np.empty((codes.shape[0], words_per_row(bits, codes.shape[1])), np.uint32)
    run_rows(get_backend().kernels.pack_rows, len(words), codes, bits, words, grain=_grain(codes.shape[1]))
    return words


def unpack(words: NDArray[np.uint32], bits: int, d: int) -> Codes:
    """Inverse of `pack`.

    Parameters
    ----------
    words : uint32 array (n, ceil(d * bits / 32))
    bits : {2, 4, 8, 16}
    d : int
        Codes a row.

    Returns
    -------
    int8 array (n, d) up to 8 bits, int16 array (n, d) for 16 bits

    Raises
    ------
    InputError
        If `words` is not uint32 with as many columns as `d` codes of `bits` bits need.
    """
    bits = _check.bits(bits)
    d = _check.whole_number("d", d, 0, MAX_COLUMNS)
    if _on_device(words):
        words = get_backend("cuda").xp.asarray(words)
    known = isinstance(words, np.ndarray) or _on_device(words)
    if not known or words.dtype != np.uint32 or words.ndim != 2:
        raise InputError(
            f"words must be a uint32 array (n, words), got {getattr(words, 'dtype', type(words).__name__)}"
        )
    columns = words_per_row(bits, d)
    if words.shape[1] != columns:
        raise InputError(f"words must have {columns} columns for d={d} at {bits} bits, got {words.shape[1]}")
    if _on_device(words):
        return cast(Codes, _cuda().unpack(words, bits, d, QuantSpec(bits).dtype))
    codes = cast(Codes, np.empty((words.shape[0], d), QuantSpec(bits).dtype))
    run_rows(get_backend().kernels.unpack_rows, len(words), np.ascontiguousarray(words), bits, codes, grain=_grain(d))
    return codes
