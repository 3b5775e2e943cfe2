"""Models on the GPU: small ones in Numba's simulator, large ones on a device (``pytest -m gpu``)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from alpt_ref.errors import InputError
from alpt_ref.models import make_model
from tests.models.cuda_parity import assert_near, batch, compare, compare_bf16, cpu_pass, gpu_pass, pair
from tests.tolerances import BF16_GRADIENT, BF16_VALUE, GPU_GRADIENT, GPU_SUMS, TF32_GRADIENT, TF32_VALUE

ROOT = Path(__file__).parents[2]
WIDE: dict[str, Any] = {"fields": 39, "dim": 16, "hidden": (1024, 512, 256), "cross_layers": 3}


@pytest.mark.simulator
def test_simulated_models_follow_the_cpu() -> None:
    environment = {**os.environ, "NUMBA_ENABLE_CUDASIM": "1", "NUMBA_DISABLE_JIT": "1"}
    command = [sys.executable, "-W", "ignore", "-m", "tests.models.cuda_parity"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "SAME\n"), done.stderr[-2000:]


MODELS: list[tuple[str, dict[str, Any]]] = [
    ("dcn", {"fields": 7, "dim": 5, "hidden": (130, 33), "cross_layers": 5}),
    ("dcn", {"fields": 7, "dim": 8, "hidden": (96, 33), "batch_norm": False, "cross_layers": 1}),
    ("dnn", {"fields": 5, "dim": 4, "hidden": (300,)}),
    ("deepfm", {"fields": 9, "dim": 16, "hidden": (64, 32)}),
    ("fm", {"fields": 9, "dim": 40}),
    ("logistic", {"fields": 50, "dim": 1}),
]


@pytest.mark.gpu
@pytest.mark.parametrize(("kind", "options"), MODELS, ids=[f"{kind}-{n}" for n, (kind, _) in enumerate(MODELS)])
def test_small_batches_follow_the_cpu(kind: str, options: dict[str, Any]) -> None:
    compare(kind, options, 33, GPU_SUMS)


@pytest.mark.gpu
@pytest.mark.parametrize("kind", ["fm", "logistic", "dcn"])
def test_a_batch_of_one_row_follows_the_cpu(kind: str) -> None:
    options: dict[str, Any] = {"fields": 6, "dim": 1 if kind == "logistic" else 5}
    compare(kind, options | ({"hidden": (40,), "batch_norm": False} if kind == "dcn" else {}), 1, GPU_SUMS)


@pytest.mark.gpu
def test_one_row_has_no_gradient_through_batch_norm() -> None:
    _, gpu = pair("dnn", {"fields": 6, "dim": 4, "hidden": (64, 32)})
    assert not gpu_pass(gpu, *batch(gpu, 1))["grad mlp.0.linear.weight"].any()


@pytest.mark.gpu
@pytest.mark.parametrize("rows", [257, 10_000])
@pytest.mark.parametrize(
    ("kind", "options"), [("dcn", WIDE), *MODELS], ids=["wide", *(f"{kind}-{n}" for n, (kind, _) in enumerate(MODELS))]
)
def test_large_batches_follow_the_cpu(kind: str, options: dict[str, Any], rows: int) -> None:
    cpu, gpu = pair(kind, options)
    given = batch(cpu, rows, mean=0.5)
    assert_near(gpu_pass(gpu, *given), cpu_pass(cpu, *given), GPU_SUMS, GPU_GRADIENT)


@pytest.mark.gpu
def test_two_passes_on_the_gpu_are_the_same_bits() -> None:
    emb, labels = batch(pair("dcn", WIDE)[0], 20_000)
    one, two = (gpu_pass(pair("dcn", WIDE)[1], emb, labels) for _ in range(2))
    assert all(np.array_equal(one[name], two[name]) for name in one)


@pytest.mark.gpu
def test_tf32_is_off_until_asked_for() -> None:
    cpu, gpu = pair("dnn", {name: value for name, value in WIDE.items() if name != "cross_layers"})
    given = batch(cpu, 3000, mean=0.5)
    expected = cpu_pass(cpu, *given)
    assert_near(gpu_pass(gpu, *given), expected, GPU_SUMS, GPU_GRADIENT)
    cast(Any, gpu.ops).precision = "tf32"
    rounded = gpu_pass(gpu, *given)
    assert_near(rounded, expected, TF32_VALUE, TF32_GRADIENT)
    with pytest.raises(AssertionError, match="logits"):
        assert_near(rounded, expected, GPU_SUMS, GPU_GRADIENT)


@pytest.mark.gpu
@pytest.mark.parametrize("kind", ["dcn", "dnn", "deepfm"])
def test_bfloat16_is_near_tf32_and_the_same_bits_twice(kind: str) -> None:
    options = {name: value for name, value in WIDE.items() if name != "cross_layers" or kind == "dcn"}
    cpu = pair(kind, options)[0]
    given = batch(cpu, 3000, mean=0.5)
    passes = []
    for precision in ("tf32", "bf16", "bf16"):
        gpu = pair(kind, options)[1]
        cast(Any, gpu.ops).precision = precision
        passes.append(gpu_pass(gpu, *given))
    assert_near(passes[1], passes[0], BF16_VALUE, BF16_GRADIENT)
    assert all(np.array_equal(passes[1][name], passes[2][name]) for name in passes[1])
    with pytest.raises(AssertionError, match=r"logits|grad"):
        assert_near(passes[1], passes[0], GPU_SUMS, GPU_GRADIENT)


@pytest.mark.gpu
@pytest.mark.parametrize("rows", [1, 33, 257])
@pytest.mark.parametrize(("kind", "options"), MODELS, ids=[f"{kind}-{n}" for n, (kind, _) in enumerate(MODELS)])
def test_odd_shapes_in_bfloat16_follow_the_cpu(kind: str, options: dict[str, Any], rows: int) -> None:
    if rows > 1 or not options.get("batch_norm", kind in ("dcn", "dnn", "deepfm")):
        compare_bf16(kind, options, rows)


@pytest.mark.gpu
@pytest.mark.parametrize("kind", ["dcn", "dnn", "deepfm"])
def test_the_guard_sees_a_value_that_is_not_finite(kind: str) -> None:
    _, gpu = pair(kind, {"fields": 3, "dim": 4, "hidden": (8,)})
    emb, labels = batch(gpu, 50)
    assert not gpu_pass(gpu, emb, labels)["guard"].any()
    emb[20, 3] = np.inf
    assert gpu_pass(gpu, emb, labels)["guard"][0] != 0


@pytest.mark.gpu
def test_float64_runs_on_the_cpu_only() -> None:
    with pytest.raises(InputError, match="dtype must be float32 on device 'cuda', got float64"):
        make_model("fm", 3, 2, dtype=np.float64, device="cuda")
