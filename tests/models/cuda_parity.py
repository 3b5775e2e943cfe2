"""Models on the GPU against the CPU's, figure by figure: for the tests on a device and those in Numba's simulator.

``python -m tests.models.cuda_parity`` compares a few tiny models and prints ``SAME``; the tests run it with
``NUMBA_ENABLE_CUDASIM=1``, which must be set before Numba is imported.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from alpt_ref.kernels.backend import get_backend
from alpt_ref.models import Model, bce_with_logits, make_model
from alpt_ref.scalar.bfloat16 import rounded, widened
from tests import simulator
from tests.models.helpers import Array
from tests.tolerances import BF16_GRADIENT, BF16_VALUE, FLOAT32

TINY: list[tuple[str, dict[str, Any], int]] = [
    ("dcn", {"fields": 3, "dim": 4, "hidden": (8, 5), "cross_layers": 3}, 5),  # rows on 16 bytes, and a layer not
    ("dcn", {"fields": 2, "dim": 4, "hidden": (8, 5), "cross_layers": 3}, 5),  # one product for both parts of dx
    ("dcn", {"fields": 2, "dim": 4, "hidden": (8,), "cross_layers": 4}, 3),
    ("dcn", {"fields": 2, "dim": 4, "hidden": (8,), "cross_layers": 1, "batch_norm": False}, 3),
    ("dcn", {"fields": 2, "dim": 3, "hidden": (3,), "cross_layers": 4, "batch_norm": False}, 3),  # two passes of units
    ("deepfm", {"fields": 2, "dim": 3, "hidden": (4,)}, 3),
    ("logistic", {"fields": 5, "dim": 1}, 2),
]


def pair(kind: str, options: dict[str, Any]) -> tuple[Model, Model]:
    """The same model, all parameters random, on the CPU and on the GPU."""
    cpu, gpu = (make_model(kind, seed=1, device=device, **options) for device in ("cpu", "cuda"))
    rng = np.random.default_rng(0)
    state = cpu.state()
    for name, value in state.items():
        inputs = max(value.shape) if "weight" in name and "norm" not in name else 1
        if "running_var" not in name:
            value += (0.3 / np.sqrt(inputs) * rng.standard_normal(value.shape)).astype(np.float32)
    cpu.load_state(state)
    gpu.load_state(state)
    return cpu, gpu


def batch(model: Model, rows: int, *, seed: int = 0, mean: float = 2.0) -> tuple[Array, Array]:
    """Embeddings with a mean far from zero, where one-pass variances cancel, and labels."""
    rng = np.random.default_rng(seed)
    emb = (rng.standard_normal((rows, model.fields * model.width)) + mean).astype(np.float32)
    return emb, (rng.random(rows) < 0.4).astype(np.uint8)


def gpu_pass(model: Model, emb: Array, labels: Array, *, second: bool = False) -> dict[str, Array]:
    """Logits, loss and all gradients of one pass on the GPU, as host arrays."""
    backend, ops = get_backend("cuda"), cast(Any, model.ops)
    totals = backend.zeros(2, np.float64)
    logits = model.forward(backend.from_host(emb), training=True, update_stats=not second)
    dlogits = ops.loss(logits, backend.from_host(labels), totals, add=True)
    found = {"logits": backend.to_host(logits), "dlogits": backend.to_host(dlogits)}
    demb = model.backward(dlogits, params=not second)
    ops.check_finite(demb)
    found |= {"demb": backend.to_host(demb), "loss": backend.to_host(totals)[1:]}
    found["guard"] = backend.to_host(ops.guard)
    return found | {f"grad {name}": backend.to_host(grad) for name, grad in model.grads.items()}


def cpu_pass(model: Model, emb: Array, labels: Array, *, second: bool = False) -> dict[str, Array]:
    """The same on the CPU."""
    logits = model.forward(emb, training=True, update_stats=not second).copy()
    loss, dlogits = bce_with_logits(logits, labels)
    demb = model.backward(dlogits, params=not second).copy()
    found: dict[str, Array] = {"logits": logits, "dlogits": dlogits, "demb": demb, "loss": np.array([loss])}
    found["guard"] = np.zeros(2, np.int32)
    return found | {f"grad {name}": grad.copy() for name, grad in model.grads.items()}


def assert_close(found: dict[str, Array], expected: dict[str, Array], tolerance: float) -> None:
    """Every array, relative to its largest entry."""
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        error = np.abs(found[name].astype(np.float64) - value).max()
        assert error <= tolerance * max(float(np.abs(value).max()), 1e-6), (name, error)


def assert_near(found: dict[str, Array], expected: dict[str, Array], values: float, gradients: float) -> None:
    """Every array as a vector, relative to its length; gradients have a tolerance of their own."""
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        tolerance = gradients if name.startswith(("grad", "demb")) else values
        error = np.linalg.norm(found[name].astype(np.float64) - value)
        assert error <= tolerance * max(float(np.linalg.norm(value)), 1e-6), (name, error)


def compare(kind: str, options: dict[str, Any], rows: int, tolerance: float = FLOAT32) -> None:
    """Two passes as ALPT makes them, running statistics, and inference."""
    cpu, gpu = pair(kind, options)
    emb, labels = batch(cpu, rows)
    assert_close(gpu_pass(gpu, emb, labels), cpu_pass(cpu, emb, labels), tolerance)
    buffers = {name: value for name, value in cpu.state().items() if name in cpu.buffers}
    assert_close({name: gpu.state()[name] for name in buffers}, buffers, tolerance)
    before = gpu.state()
    found, expected = gpu_pass(gpu, emb, labels, second=True), cpu_pass(cpu, emb, labels, second=True)
    assert_close(found, expected, tolerance)
    assert all(np.array_equal(before[name], value) for name, value in gpu.state().items())
    backend = get_backend("cuda")
    logits = backend.to_host(gpu.forward(backend.from_host(emb), training=False))
    assert_close({"inference": logits}, {"inference": cpu.forward(emb, training=False)}, tolerance)


def compare_bf16(kind: str, options: dict[str, Any], rows: int) -> None:
    """Two passes in bfloat16 near the CPU's in float32, and the same for embeddings that are rounded beforehand."""
    cpu, gpu = pair(kind, options)
    cast(Any, gpu.ops).precision = "bf16"
    emb, labels = batch(cpu, rows, mean=0.5)
    for second in (False, True):
        found = gpu_pass(gpu, emb, labels, second=second)
        assert_near(found, cpu_pass(cpu, emb, labels, second=second), BF16_VALUE, BF16_GRADIENT)
        if gpu.reads_activations and not second:
            again = gpu_pass(gpu, rounded(emb), labels)
            assert again["demb"].dtype == np.uint16
            assert_near(again | {"demb": widened(again["demb"])}, found, BF16_VALUE, BF16_GRADIENT)


if __name__ == "__main__":
    simulator.install()
    for given in TINY:
        compare(*given)
        compare_bf16(*given)
    print("SAME")
