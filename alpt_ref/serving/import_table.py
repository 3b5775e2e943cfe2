"""Import of a table that was trained elsewhere: quantise a user's float32 array, block by block.

Nothing is unpickled, the source is memory-mapped, and the result has the layout of `alpt_ref.serving.safetensors`, so
that ``alpt-ref export`` takes it to every other format.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref._util import check as _check
from alpt_ref._util.former_names import former_keywords
from alpt_ref._util.outputs import check_results_folder
from alpt_ref._util.progress import Progress
from alpt_ref.errors import InputError
from alpt_ref.quantizer import QuantSpec, check_grid, dequantize, lsq_step_size, pack, quantize
from alpt_ref.scalar.philox import MAX_COLUMNS
from alpt_ref.serving import folder
from alpt_ref.serving.container import reading, tensor_file
from alpt_ref.serving.safetensors import FILE, FILES, metadata_of, tensors_of
from alpt_ref.serving.table import blocks, packed_rows, row_bytes

STEP_SIZES = ("lsq", "rowmax")
Rows = Callable[[int, int], NDArray[np.float32]]


@dataclass(frozen=True)
class WeightFile:
    """A float32 array (n, d) on disk and how to read rows of it."""

    name: str
    n: int
    d: int
    rows: Rows


@former_keywords(step="step_size")
def quantize_file(
    path: str | Path,
    output: str | Path,
    *,
    bits: int = 8,
    rounding: str = "dr",
    step_size: str | float = "lsq",
    seed: int = 0,
    tensor: str | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Quantise a float32 table (n, d) and write it as codes and step sizes.

    Parameters
    ---------
    path : path
        ``.npy`` (without pickled objects) or ``.safetensors``; `tensor` names the array where a file holds several.
    output : folder
        Receives ``table.safetensors`` and ``export.json``.
    bits : {2, 4, 8, 16}
    rounding : {"dr", "sr"}
        The codes are those of ``quantize(w, step_size, QuantSpec(bits, rounding), seed=seed)``.
    step_size : "lsq", "rowmax" or number
        One step size for the table by the LSQ rule ``2 mean|w| / sqrt(q_max)`` (Esser et al., ICLR 2020), one per row
        that reaches its largest magnitude, ``max|w| / q_max`` (1 for a row of zeros), or this one for all rows.
    seed : int
        Of stochastic rounding.
    progress : Progress, optional

    Returns
    ------
    dict
        What ``export.json`` holds: ``max_abs`` and ``rms`` of the quantised values less the weights (units of the
        weights), ``clipped_share`` of the elements over half a step beyond the code range, bytes, step sizes.

    Raises
    -----
    InputError
        The file is not such an array, holds NaN or infinity, or an argument breaks its rule.
    """
    spec = QuantSpec(_check.bits(bits), _check.choice("rounding", rounding, _check.ROUNDINGS))  # type: ignore[arg-type]
    seed, rule = _check.whole_number("seed", seed, 0, 1 << 64), _checked_step_size(step_size)
    shown = progress or Progress(enabled=False)
    check_results_folder(output)
    with opened(Path(path), tensor) as weights:
        passes = 2 if rule == "lsq" else 1
        shown.begin(passes * weights.n, f"quantising {Path(path).name}", unit="rows")
        fixed = _lsq_step_size(weights, spec, shown) if rule == "lsq" else rule
        if not isinstance(fixed, str):
            check_grid("step_size", np.array([fixed], np.float32), spec.bits, numbered=False)
        target = folder.claim(output, "quantised", FILES)
        try:
            facts = _write(weights, target / FILE, spec, seed, fixed, shown)
        except InputError:
            with contextlib.suppress(OSError):  # an empty folder is ours
                target.rmdir()
            raise
        shown.close()
    n, d = weights.n, weights.d
    return folder.finish(target, "quantised", FILES, {"n": n, "d": d, "bits": bits, "fp32_bytes": 4 * n * d, **facts})


def _checked_step_size(step_size: Any) -> str | float:
    if isinstance(step_size, str) and step_size in STEP_SIZES:
        return step_size
    try:
        value = float(step_size)
    except (TypeError, ValueError):
        raise InputError(f"step_size must be lsq, rowmax or a number above 0, got {step_size!r}") from None
    return _check.number("step_size", value, positive=True)


# --- reading ---------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def opened(path: Path, tensor: str | None) -> Iterator[WeightFile]:
    """The array in a file, checked but for its values."""
    if not path.is_file():
        raise InputError(f"file {path} does not exist; name a .npy or .safetensors file")
    if path.suffix == ".npy":
        if tensor is not None:
            raise InputError(f"--tensor belongs to .safetensors files, {path} holds one array")
        yield _npy(path)
    elif path.suffix == ".safetensors":
        with reading(path) as file:
            yield _tensor(path, file, tensor)
    else:
        raise InputError(
            f"file {path} must end in .npy or .safetensors; PyTorch: safetensors.torch.save_file({{'weight': w}}, file)"
        )


def _npy(path: Path) -> WeightFile:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except ValueError as error:
        pickled = "bject" in str(error) or "pickle" in str(error)
        why = "no array, or pickled objects, which are never loaded" if pickled else str(error)
        raise InputError(f"{path} is no .npy file of numbers ({why}); save a float32 array with np.save") from None
    except EOFError:
        raise InputError(f"{path} is empty or cut off; save it again") from None
    if not isinstance(array, np.ndarray):
        raise InputError(f"{path} is an archive of several arrays; save one float32 array with np.save")
    _require_table(path, array.dtype.kind == "f" and array.dtype.itemsize == 4, str(array.dtype), array.shape)
    plain = np.asarray(array)
    n, d = plain.shape
    return WeightFile(path.name, n, d, lambda first, last: np.ascontiguousarray(plain[first:last], np.float32))


def _tensor(path: Path, file: Any, tensor: str | None) -> WeightFile:
    names = sorted(file.keys())
    if tensor is None and len(names) != 1:
        raise InputError(f"{path} holds {len(names)} tensors; choose one with --tensor: {', '.join(names[:8])}")
    name = names[0] if tensor is None else tensor
    if name not in names:
        raise InputError(f"--tensor {name} is not in {path}, which holds {', '.join(names[:8])}")
    values = file.get_slice(name)
    shape = tuple(values.get_shape())
    _require_table(path, values.get_dtype() == "F32", str(values.get_dtype()), shape)
    return WeightFile(path.name, shape[0], shape[1], lambda first, last: np.ascontiguousarray(values[first:last]))


def _require_table(path: Path, float32: bool, dtype: str, shape: tuple[int, ...]) -> None:
    if not float32:
        raise InputError(f"{path} must hold float32, got {dtype}; convert it with .astype(np.float32)")
    if len(shape) != 2 or min(shape) < 1:
        raise InputError(f"{path} must hold a table (n, d) with a row and a column at least, got shape {shape}")
    if shape[1] >= MAX_COLUMNS:
        raise InputError(f"{path} must have fewer than {MAX_COLUMNS} columns, got {shape[1]}")


def _block(weights: WeightFile, first: int, last: int) -> NDArray[np.float32]:
    """Rows of the file, finite."""
    block = weights.rows(first, last)
    if not np.isfinite(block).all():
        row, column = (int(index[0]) for index in np.nonzero(~np.isfinite(block)))
        raise InputError(
            f"{weights.name} must be finite, got {block[row, column]} at row {first + row}, column {column}"
        )
    return block


# --- quantising ------------------------------------------------------------------------------------------------------


def _lsq_step_size(weights: WeightFile, spec: QuantSpec, progress: Progress) -> float:
    total = 0.0
    for first, last in blocks(weights.n, weights.d):
        total += float(np.abs(_block(weights, first, last)).sum(dtype=np.float64))
        progress.advance(last - first)
    step = lsq_step_size(total / (weights.n * weights.d), spec.q_max)
    if step <= 2.0**-150:  # rounds to zero in float32
        raise InputError(f"--step-size lsq needs weights that are not all zero, {weights.name} has none; give a number")
    return _check.number("the LSQ step size", step, positive=True)


def _row_step_sizes(block: NDArray[np.float32], spec: QuantSpec) -> NDArray[np.float32]:
    largest = np.abs(block).max(axis=1)
    step = (largest.astype(np.float64) / spec.q_max).astype(np.float32)
    tiny = np.finfo(np.float32).smallest_subnormal
    return np.where(largest > 0, np.maximum(step, tiny), np.float32(1))


def _write(
    weights: WeightFile, path: Path, spec: QuantSpec, seed: int, rule: str | float, progress: Progress
) -> dict[str, Any]:
    """Quantise block by block into the file; what the result is like."""
    n, d, each = weights.n, weights.d, rule == "rowmax"
    about = {"method": "quantised", "rounding": spec.rounding, "granularity": "row" if each else "table"}
    count, largest, squares, clipped, low, high = n if each else 1, 0.0, 0.0, 0, np.inf, 0.0
    with tensor_file(path, tensors_of(n, d, spec.bits, count), metadata_of(n, d, spec.bits, about)) as file:
        for first, last in blocks(n, d):
            block = _block(weights, first, last)
            step_size = _row_step_sizes(block, spec) if each else np.array([rule], np.float32)
            check_grid("the step size by rowmax", step_size, spec.bits, first=first)
            given = step_size if each else float(step_size[0])
            codes = quantize(block, given, spec, seed=seed, rows=first)
            file.append("codes", packed_rows(pack(codes, spec.bits), spec.bits, d))
            if each or first == 0:
                file.append("step_size", step_size)
            gap = np.abs(dequantize(codes, given).astype(np.float64) - block)
            largest, squares = max(largest, float(gap.max())), squares + float(np.square(gap).sum())
            with np.errstate(over="ignore"):
                x = block / step_size[:, None]
            clipped += int(np.count_nonzero((x < spec.q_min - 0.5) | (x > spec.q_max + 0.5)))
            low, high = min(low, float(step_size.min())), max(high, float(step_size.max()))
            progress.advance(last - first)
    return {
        "max_abs": largest,
        "rms": math.sqrt(squares / (n * d)),
        "clipped_share": clipped / (n * d),
        "table_bytes": n * row_bytes(spec.bits, d) + 4 * count,
        "step_size_min": low,
        "step_size_max": high,
        "about": about,
    }
