"""The same work in PyTorch, NumPy and JAX, where they are installed: the definitions written with array operations."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref._version import install_hint

from .cases import Case, Cases

F = np.float32
BLOCK = 65_536
"""Elements that NumPy works on at a time, so that they stay in the cache."""


def torch_module(*, say: bool = False) -> Any | None:
    """PyTorch, or None; where it is missing, print how to install it if `say`."""
    torch = _installed("torch")
    if torch is None and say:
        print(f"PyTorch is not installed: left out ({install_hint('peers')})")
    return torch


def _installed(name: str) -> Any | None:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


# --- quantisation -----------------------------------------------------------------------------------------------------


def quantize_cases(torch: Any, w: Any, step: float, *, compiled: bool) -> Cases:
    """Stochastic rounding of a tensor to 8 bits: eager and, on request, through ``torch.compile``."""

    def stochastic(values: Any) -> Any:
        return torch.floor(values / step + torch.rand_like(values)).clamp_(-128, 127).to(torch.int8)

    moved = w.numel() * 5.0
    cases = {"PyTorch eager: quantise SR 8 bits": Case(lambda: stochastic(w), w.numel(), "elements", moved)}
    if compiled:
        fused = torch.compile(stochastic)
        try:
            fused(w)
        except Exception as error:  # its compiler needs more than PyTorch: Triton, a C compiler
            print(f"torch.compile: left out ({type(error).__name__})")
            return cases
        cases["PyTorch compile: quantise SR 8 bits"] = Case(lambda: fused(w), w.numel(), "elements", moved)
    return cases


def numpy_quantizers(w: NDArray[np.float32], step: np.float32) -> dict[str, Callable[[], Any]]:
    """The definition written down, and float32 noise in place on blocks: the best that we found in plain NumPy.

    The latter's sum in float32 loses the low bits of the fraction and so is biased; ours is not.
    """
    rng = np.random.default_rng(0)
    work, noise = np.empty(BLOCK, F), np.empty(BLOCK, F)
    flat, out = w.reshape(-1), np.empty(w.size, np.int8)

    def naive() -> None:
        x = w / step
        low = np.floor(x)
        np.clip(low + (rng.random(x.shape) < x - low), -128, 127).astype(np.int8)

    def blocked() -> None:
        for lo in range(0, flat.size, BLOCK):
            x = work[: min(BLOCK, flat.size - lo)]
            np.divide(flat[lo : lo + x.size], step, out=x)
            rng.random(dtype=F, out=noise[: x.size])
            np.add(x, noise[: x.size], out=x)
            np.floor(x, out=x)
            np.clip(x, -128, 127, out=x)
            out[lo : lo + x.size] = x

    return {"NumPy naive SR": naive, "NumPy float32, blocked, SR": blocked}


# --- tables and backbones ---------------------------------------------------------------------------------------------


def embedding(torch: Any, kind: str, rows: int, d: int, device: str = "cpu") -> tuple[Any, Any]:
    """``nn.Embedding`` and its optimiser: SGD and SparseAdam take sparse gradients, "dense Adam" whole ones."""
    table = torch.nn.Embedding(rows, d, sparse=kind != "dense Adam", device=device)
    makers = {
        "SGD": torch.optim.SGD, "SparseAdam": torch.optim.SparseAdam, "Adagrad": torch.optim.Adagrad,
        "dense Adam": torch.optim.Adam,
    }  # fmt: skip
    options = {"fused": True} if kind == "dense Adam" else {}
    return table, makers[kind](list(table.parameters()), lr=1e-3, **options)


def table_cases(torch: Any, device: str, rows: int, d: int, ids: list[Any], grads: Any) -> Cases:
    """``nn.Embedding(sparse=True)`` in fp32: lookup, and lookup, backward and optimiser step."""
    gradient = torch.as_tensor(grads, device=device)
    batches = [torch.as_tensor(one.astype("int64"), device=device) for one in ids]
    amount = float(sum(len(one) for one in ids))
    cases: Cases = {}
    for kind in ("SGD", "SparseAdam"):
        table, optimizer = embedding(torch, kind, rows, d, device)

        def look(table: Any = table) -> None:
            with torch.no_grad():
                for one in batches:
                    table(one)

        def step(table: Any = table, optimizer: Any = optimizer) -> None:
            for one in batches:
                optimizer.zero_grad()
                table(one).backward(gradient)
                optimizer.step()

        if kind == "SGD":
            cases["PyTorch fp32: lookup"] = Case(look, amount, "ids")
        cases[f"PyTorch fp32: table step (lookup, backward, {kind})"] = Case(step, amount, "ids")
    return cases


def dcn(torch: Any, width: int, hidden: tuple[int, ...]) -> Any:
    """A DCN with its logloss: ``module(embeddings (b, width), labels)``; 3 cross layers, batch norm in the network."""

    class Dcn(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            parameters = torch.nn.ParameterList
            self.cross_w = parameters([torch.nn.Parameter(torch.randn(width) * 0.05) for _ in range(3)])
            self.cross_b = parameters([torch.nn.Parameter(torch.zeros(width)) for _ in range(3)])
            layers: list[Any] = []
            for before, after in zip((width, *hidden[:-1]), hidden, strict=True):
                layers += [torch.nn.Linear(before, after, bias=False), torch.nn.BatchNorm1d(after), torch.nn.ReLU()]
            self.deep = torch.nn.Sequential(*layers)
            self.out = torch.nn.Linear(width + hidden[-1], 1)

        def forward(self, x0: Any, labels: Any) -> Any:
            x = x0
            for w, b in zip(self.cross_w, self.cross_b, strict=True):
                x = x0 * (x @ w).unsqueeze(1) + b + x
            logits = self.out(torch.cat([x, self.deep(x0)], 1)).squeeze(1)
            return torch.nn.functional.binary_cross_entropy_with_logits(logits, labels)

    return Dcn()


class Training:
    """PyTorch's whole step: an embedding with its optimiser, a backbone with fused Adam."""

    def __init__(self, torch: Any, kind: str, rows: int, d: int, model: Any, device: str = "cpu") -> None:
        self.table, optimizer = embedding(torch, kind, rows, d, device)
        self.optimizers = [optimizer, torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)]
        self.model = model

    def step(self, ids: Any, labels: Any) -> None:
        """One step on ids (b, fields) and float labels (b,)."""
        for optimizer in self.optimizers:
            optimizer.zero_grad()
        self.model(self.table(ids).reshape(len(ids), -1), labels).backward()
        for optimizer in self.optimizers:
            optimizer.step()


# --- simulated runs ---------------------------------------------------------------------------------------------------


def montecarlo_cases(torch: Any, device: str, runs: int, d: int, steps: int) -> Cases:
    """SR-SGD on a quadratic with tensor operations, ``steps`` of them."""
    spectrum = torch.linspace(0.1, 2.0, d, device=device)
    cases: Cases = {}
    for name in ("no noise", "uniform noise", "normal noise"):

        def run(name: str = name) -> None:
            code = torch.full((runs, d), 50.0, device=device)
            u = torch.empty_like(code)
            with torch.no_grad():
                for _ in range(steps):
                    g = (code * 0.01 - 0.1) * spectrum
                    if name == "normal noise":
                        g += u.normal_()
                    elif name == "uniform noise":
                        g += u.uniform_(-1.0, 1.0)
                    x = (code - 0.5 * g).clamp_(-128.0, 127.0)
                    low = x.floor()
                    code = low + (u.uniform_() < x - low)

        cases[f"PyTorch: Monte Carlo SR-SGD, {name}"] = Case(run, float(runs) * d * steps, "coordinate updates")
    return cases


class NumpyRuns:
    """SR-SGD on an array of runs, written with array operations."""

    def __init__(self, d: int, noise: str) -> None:
        self.spectrum = np.linspace(0.1, 2.0, d, dtype=F)
        self.noise, self.rng = noise, np.random.default_rng(0)

    def plain(self, runs: int, steps: int) -> NDArray[np.float32]:
        """One array expression after the other."""
        code = np.full((runs, self.spectrum.size), F(50))
        for _ in range(steps):
            g = self.spectrum * (code * F(0.01) - F(0.1))
            if self.noise == "normal":
                g += self.rng.standard_normal(code.shape, dtype=F)
            elif self.noise == "uniform":
                g += self.rng.random(code.shape, dtype=F) * F(2) - F(1)
            x = np.clip(code - F(0.5) * g, F(-128), F(127))
            low = np.floor(x)
            code = low + (self.rng.random(code.shape, dtype=F) < x - low)
        return code

    def in_place(self, runs: int, steps: int) -> None:
        """The same without new arrays, block by block of runs: the best that we found in plain NumPy."""
        rows = max(BLOCK // self.spectrum.size, 1)
        for first in range(0, runs, rows):
            shape = (min(rows, runs - first), self.spectrum.size)
            code, g, u, low = (np.full(shape, F(50)) for _ in range(4))
            up = np.empty(shape, np.bool_)
            for _ in range(steps):
                np.multiply(code, F(0.01), out=g)
                np.subtract(g, F(0.1), out=g)
                np.multiply(g, self.spectrum, out=g)
                if self.noise == "normal":
                    np.add(g, self.rng.standard_normal(dtype=F, out=u), out=g)
                elif self.noise == "uniform":
                    self.rng.random(dtype=F, out=u)
                    np.multiply(u, F(2), out=u)
                    np.add(g, u, out=g)
                    np.subtract(g, F(1), out=g)
                np.multiply(g, F(0.5), out=g)
                np.subtract(code, g, out=g)
                np.clip(g, F(-128), F(127), out=g)
                np.floor(g, out=low)
                np.subtract(g, low, out=g)
                self.rng.random(dtype=F, out=u)
                np.less(u, g, out=up)
                np.add(low, up, out=code)


class NumpyRegression:
    """SGD on least squares in float32: batched rows by `matmul`, losses by one product, `random` in float32."""

    def __init__(self, features: NDArray[np.float32], offsets: NDArray[np.float32]) -> None:
        self.features, self.offsets = features, offsets
        self.columns = np.ascontiguousarray(features.T)

    def runs(
        self, runs: int, steps: int, batch: int, every: int, seed: int = 0, rounding: str = "sr"
    ) -> NDArray[np.float64]:
        """Updates of `runs` runs with `batch` rows each (0: all), the loss of every `every`-th iterate added up."""
        rng, (rows, d) = np.random.default_rng(seed), self.features.shape
        code, total = np.full((runs, d), F(3)), np.zeros(runs)
        for t in range(1, steps + 1):
            w = code * F(0.05)
            if every and t % every == 0:
                z = w @ self.columns - self.offsets
                total += np.einsum("ij,ij->i", z, z) * F(0.5 / rows)
            if batch:
                drawn = rng.integers(0, rows, (runs, batch))
                x = self.features[drawn]
                z = np.matmul(x, w[:, :, None])[:, :, 0] - self.offsets[drawn]
                g = np.matmul(z[:, None, :] * F(1 / batch), x)[:, 0]
            else:
                g = (w @ self.columns - self.offsets) * F(1 / rows) @ self.features
            np.subtract(code, g, out=code)  # the learning rate is the step size
            np.clip(code, F(-128), F(127), out=code)
            if rounding == "dr":
                code += F(0.5)
                np.floor(code, out=code)
            elif rounding == "sr":
                low = np.floor(code)
                code -= low
                code = low + (rng.random(code.shape, dtype=F) < code)
        return total

    def products(self, runs: int, steps: int, batch: int, every: int) -> None:
        """Of `runs` nothing but the matrix products with all rows."""
        w = np.full((runs, self.features.shape[1]), F(0.15))
        for t in range(1, steps + 1):
            if every and t % every == 0:
                z = w @ self.columns
            if not batch:
                z = w @ self.columns
                z @ self.features

    def in_parts(
        self, pool: Executor, runs: int, steps: int, batch: int, every: int, rounding: str = "sr", block: int = 32
    ) -> None:
        """The same by blocks of runs that fit in the cache, on the threads of a pool (products on one thread each)."""
        list(pool.map(lambda seed: self.runs(block, steps, batch, every, seed, rounding), range(runs // block)))


def jax_runs(d: int, noise: str, runs: int, steps: int) -> Callable[[], Any] | None:
    """SR-SGD as one jitted loop; None without JAX."""
    jax = _installed("jax")
    if jax is None:
        return None
    jnp = importlib.import_module("jax.numpy")
    spectrum = jnp.linspace(0.1, 2.0, d, dtype=jnp.float32)

    def body(t: Any, code: Any) -> Any:
        first, second = jax.random.split(jax.random.fold_in(jax.random.key(0), t))
        g = (code * F(0.01) - F(0.1)) * spectrum
        if noise == "normal":
            g += jax.random.normal(first, code.shape, jnp.float32)
        elif noise == "uniform":
            g += jax.random.uniform(first, code.shape, jnp.float32, -1.0, 1.0)
        x = jnp.clip(code - F(0.5) * g, F(-128), F(127))
        low = jnp.floor(x)
        return low + (jax.random.uniform(second, code.shape, jnp.float32) < x - low)

    loop = jax.jit(lambda: jax.lax.fori_loop(0, steps, body, jnp.full((runs, d), F(50), jnp.float32)))
    return lambda: loop().block_until_ready()
