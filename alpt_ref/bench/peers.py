"""PyTorch's way of doing the same, where PyTorch is installed: the definitions written with tensor operations."""

from __future__ import annotations

import importlib.util
from typing import Any

from alpt_ref.bench.cases import Case, Cases


def torch_module() -> Any | None:
    """PyTorch, or None."""
    if importlib.util.find_spec("torch") is None:
        return None
    import torch

    return torch


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


def table_cases(torch: Any, device: str, rows: int, d: int, ids: list[Any], grads: Any) -> Cases:
    """``nn.Embedding(sparse=True)`` in fp32: lookup, and lookup, backward and optimiser step."""
    gradient = torch.as_tensor(grads, device=device)
    batches = [torch.as_tensor(one.astype("int64"), device=device) for one in ids]
    amount = float(sum(len(one) for one in ids))
    cases: Cases = {}
    for kind in ("SGD", "SparseAdam"):
        table = torch.nn.Embedding(rows, d, sparse=True, device=device)
        optimizer = getattr(torch.optim, kind)(list(table.parameters()), lr=1e-3)

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
