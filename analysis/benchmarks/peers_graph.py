"""The strongest PyTorch that we know how to write for a whole training step on a GPU, and the floor of any.

The table is a plain float32 tensor: its rows are gathered, the gradients of a batch are subtracted by ``index_add_``
(SGD; duplicates are summed), the dense part is compiled by ``torch.compile``, and the whole step, the gathering of the
batch and fused Adam of the dense part included, is one CUDA graph, so that the host only replays it.
"""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Callable
from typing import Any

LEARNING_RATE = 1e-3
ELEMENTWISE = 8
"""Times that a layer's activations, and the input, pass through memory beside the matrix products: forward read for the
moments, read and written by the normalisation; backward read twice with the gradient, which is written. An estimate of
what a step needs, not a bound: passes that are fused, or that find their data in the cache, take less."""


class GraphTraining:
    """A whole step of PyTorch as one CUDA graph.

    Parameters
    ----------
    torch : module
    rows, d : int
        Size of the table.
    module : torch.nn.Module
        ``module(embeddings (b, fields * d), labels (b,))`` is the loss (`peers.dcn`).
    data : (int tensor (n, fields), float tensor (n,))
        Ids and labels on the device.
    batch : int
    bf16 : bool
        Autocast to bf16; else float32, whose products PyTorch rounds as it is set to.
    """

    def __init__(
        self, torch: Any, rows: int, d: int, module: Any, data: tuple[Any, Any], batch: int, *, bf16: bool
    ) -> None:
        self.torch, self.batch = torch, batch
        self.ids, self.labels = data
        self.weight = torch.randn(rows, d, device="cuda").mul_(0.01)
        self.module = torch.compile(module, dynamic=False)
        self.optimizer = torch.optim.Adam(module.parameters(), lr=LEARNING_RATE, fused=True, capturable=True)
        self.order = torch.arange(len(self.ids), device="cuda")
        self.position = torch.zeros((), dtype=torch.int64, device="cuda")
        self.offsets = torch.arange(batch, device="cuda")
        self.bf16 = bf16
        self.graph = self._recorded()

    def _step(self) -> None:
        torch = self.torch
        rows = self.order.index_select(0, self.position + self.offsets)
        ids, labels = self.ids.index_select(0, rows).reshape(-1), self.labels.index_select(0, rows)
        embeddings = self.weight.index_select(0, ids).requires_grad_()
        with torch.autocast("cuda", dtype=torch.bfloat16, enabled=self.bf16):
            loss = self.module(embeddings.reshape(self.batch, -1), labels)
        loss.backward()
        self.optimizer.step()
        with torch.no_grad():
            self.weight.index_add_(0, ids, embeddings.grad, alpha=-LEARNING_RATE)
            self.position += self.batch

    def _recorded(self) -> Any:
        torch = self.torch
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):  # compiles, and lets the allocator and cuBLAS settle
            for _ in range(3):
                self.optimizer.zero_grad(set_to_none=True)
                self._step()
        torch.cuda.current_stream().wait_stream(side)
        self.optimizer.zero_grad(set_to_none=True)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self._step()
        return graph

    def train(self, steps: int) -> None:
        """Train `steps` batches of a new permutation; waits for the device."""
        self.order.copy_(self.torch.randperm(len(self.ids), device="cuda"))
        self.position.zero_()
        for _ in range(steps):
            self.graph.replay()
        self.torch.cuda.synchronize()


# --- floors -----------------------------------------------------------------------------------------------------------


def replayed_ms(torch: Any, run: Callable[[], Any], repeats: int = 20) -> float:
    """Median milliseconds that the device needs for `run`, recorded as a CUDA graph."""
    side = torch.cuda.Stream()
    with torch.cuda.stream(side):
        for _ in range(3):
            run()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        run()
    times = []
    for _ in range(repeats):
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        graph.replay()
        end.record()
        end.synchronize()
        times.append(begin.elapsed_time(end))
    return float(statistics.median(times))


def products_ms(torch: Any, batch: int, widths: tuple[int, ...], *, bf16: bool, second: bool) -> float:
    """Milliseconds of a network's matrix products alone by cuBLAS: forward, by the input and by the weights.

    With `second` ALPT's second pass too, which needs no gradients of the weights.
    """
    kind = torch.bfloat16 if bf16 else torch.float32

    def matrix(*shape: int) -> Any:
        return torch.randn(*shape, device="cuda").to(kind)

    layers = [
        (matrix(batch, k), matrix(n, k), matrix(batch, n), matrix(batch, k), matrix(n, k))
        for k, n in itertools.pairwise(widths)
    ]

    def run() -> None:
        for turn in range(1 + second):
            for x, w, z, _, _ in layers:
                torch.matmul(x, w.t(), out=z)
            for x, w, z, dx, dw in layers:
                torch.matmul(z, w, out=dx)
                if not turn:
                    torch.matmul(z.t(), x, out=dw)

    with torch.no_grad():
        return replayed_ms(torch, run)


def copied_bytes_per_ms(torch: Any, elements: int = 1 << 28) -> float:
    """Bytes that a copy within the memory reads and writes in a millisecond."""
    source = torch.ones(elements, device="cuda")
    target = torch.empty_like(source)
    return 8.0 * elements / replayed_ms(torch, lambda: target.copy_(source))


def floor(
    torch: Any, batch: int, widths: tuple[int, ...], table_bytes: float, speed: float, *, bf16: bool, second: bool
) -> dict[str, float]:
    """Milliseconds that a step needs at least: products, element-wise passes and the table at the speed of a copy."""
    passes = ELEMENTWISE * (1 + second)
    found = {
        "matrix products": products_ms(torch, batch, widths, bf16=bf16, second=second),
        "element-wise passes": passes * batch * sum(widths) * (2 if bf16 else 4) / speed,
        "table": table_bytes / speed,
    }
    return {**found, "sum": sum(found.values())}
