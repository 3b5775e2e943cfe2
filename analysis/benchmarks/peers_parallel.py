"""The strongest data-parallel PyTorch that we know how to write: dense part as DDP has it, table by rows over ranks.

Every rank holds the rows ``id % ranks == rank`` of a float32 table. A step, all of it one CUDA graph with NCCL's
exchanges: ids go to their owners in room of a fixed size for each pair of ranks, rows come back, the dense part
(compiled by ``torch.compile``, its own batch norm on each rank, as DDP has it) computes, gradients of its parameters
lie in one array and are averaged by one all-reduce, fused Adam; gradients of rows go back to owners, who subtract them
by ``index_add_`` (SGD). Under bf16 autocast rows and their gradients travel as bf16. An id travels as often as it
occurs: finding unique ones in PyTorch has a length that the host must know, which a graph cannot.
"""

from __future__ import annotations

from typing import Any

from .peers_graph import LEARNING_RATE


class ParallelTraining:
    """A whole step of a rank as one CUDA graph.

    Parameters
    ----------
    torch : module
        Its default process group carries CUDA tensors by NCCL.
    rows, d : int
        Size of the table over all ranks.
    module : torch.nn.Module
        As for `peers_graph.GraphTraining`.
    data : (int tensor (n, fields), float tensor (n,))
        Ids and labels on the device, the same on every rank.
    batch : int
        Samples of a rank.
    bf16 : bool
    steps : int
        Batches of an epoch: of the order that `train` draws.
    """

    def __init__(
        self, torch: Any, rows: int, d: int, module: Any, data: tuple[Any, Any], batch: int, *, bf16: bool, steps: int
    ) -> None:
        self.torch, self.dist, self.batch, self.bf16, self.d = torch, torch.distributed, batch, bf16, d
        self.rank, self.ranks = self.dist.get_rank(), self.dist.get_world_size()
        self.ids, self.labels = data
        self.fields = self.ids.shape[1]
        self.own_rows = -(-rows // self.ranks)
        self.weight = torch.zeros(self.own_rows + 1, d, device="cuda")  # the last one is nobody's
        self.weight.normal_(std=0.01)
        self.module = torch.compile(module, dynamic=False)
        self.params = [one for one in module.parameters() if one.requires_grad]
        for one in self.params:
            self.dist.broadcast(one.data, 0)
        self.flat = torch.zeros(sum(one.numel() for one in self.params), device="cuda")
        end = 0
        for one in self.params:
            one.grad = self.flat[end : end + one.numel()].view_as(one)
            end += one.numel()
        self.optimizer = torch.optim.Adam(self.params, lr=LEARNING_RATE, fused=True, capturable=True)
        self.order = torch.zeros(steps * batch * self.ranks, dtype=torch.int64, device="cuda")
        self.position = torch.zeros((), dtype=torch.int64, device="cuda")
        self.offsets = torch.arange(batch, device="cuda") + self.rank * batch
        self._draw()
        self.capacity = self._needed()
        self.wire = torch.bfloat16 if bf16 else torch.float32
        slots = self.ranks * self.capacity
        self.sent, self.asked = (torch.zeros(slots, dtype=torch.int32, device="cuda") for _ in range(2))
        self.answered, self.back, self.gave, self.got = (
            torch.zeros(slots, d, dtype=self.wire, device="cuda") for _ in range(4)
        )
        self.graph = self._recorded()

    @property
    def bytes_a_step(self) -> int:
        """That leave a rank in a step: ids, rows and gradients of rows, and a ring's share of the dense gradients."""
        others = self.ranks - 1
        size = 2 if self.bf16 else 4
        dense = 2 * others * 4 * int(self.flat.numel()) // self.ranks
        return int(others * self.capacity * (4 + 2 * size * self.d) + dense)

    def _draw(self) -> None:
        torch = self.torch
        found = torch.randperm(len(self.ids), device="cuda")[: len(self.order)]
        self.dist.broadcast(found, 0)
        self.order.copy_(found)

    def _needed(self) -> int:
        """Most ids that a rank has for one owner in the first batches, and a tenth more."""
        torch, counts = self.torch, []
        for start in range(0, min(len(self.order), 8 * self.batch * self.ranks), self.batch * self.ranks):
            rows = self.order.index_select(0, self.offsets + start)
            owners = self.ids.index_select(0, rows).reshape(-1) % self.ranks
            counts.append(torch.bincount(owners.long(), minlength=self.ranks).max())
        most = torch.stack(counts).max().reshape(1)
        self.dist.all_reduce(most, op=self.dist.ReduceOp.MAX)
        return min(int(most.item() * 1.1) + 64, int(self.batch * self.fields))

    def _step(self) -> None:
        torch, dist = self.torch, self.dist
        rows = self.order.index_select(0, self.position + self.offsets)
        ids, labels = self.ids.index_select(0, rows).reshape(-1), self.labels.index_select(0, rows)
        with torch.no_grad():
            owner, local = ids % self.ranks, ids // self.ranks
            slot = torch.zeros_like(owner, dtype=torch.int64)
            for rank in range(self.ranks):
                there = owner == rank
                place = torch.cumsum(there, 0) - 1
                slot += torch.where(there, place.clamp(max=self.capacity - 1) + rank * self.capacity, 0)
            self.sent.fill_(self.own_rows)
            self.sent.index_copy_(0, slot, local.int())
            dist.all_to_all_single(self.asked, self.sent)
            self.answered.copy_(self.weight.index_select(0, self.asked))
            dist.all_to_all_single(self.back, self.answered)
            values = self.back.index_select(0, slot).float()
        embeddings = values.requires_grad_()
        self.flat.zero_()
        with torch.autocast("cuda", dtype=torch.bfloat16, enabled=self.bf16):
            loss = self.module(embeddings.reshape(self.batch, -1), labels)
        loss.backward()
        with torch.no_grad():
            self.gave.zero_()
            self.gave.index_copy_(0, slot, embeddings.grad.to(self.wire))
            averaged = dist.all_reduce(self.flat, op=dist.ReduceOp.AVG, async_op=True)
            moved = dist.all_to_all_single(self.got, self.gave, async_op=True)
        averaged.wait()
        self.optimizer.step()
        moved.wait()
        with torch.no_grad():
            self.weight.index_add_(0, self.asked, self.got.float(), alpha=-LEARNING_RATE / self.ranks)
            self.position += self.batch * self.ranks

    def _recorded(self) -> Any:
        torch = self.torch
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):  # compiles, connects NCCL, and lets the allocator and cuBLAS settle
            for _ in range(3):
                self.position.zero_()
                self._step()
        torch.cuda.current_stream().wait_stream(side)
        torch.cuda.synchronize()
        self.position.zero_()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):
            self._step()
        return graph

    def train(self, steps: int) -> None:
        """Train `steps` batches of a new permutation; waits for the device."""
        self._draw()
        self.position.zero_()
        for _ in range(steps):
            self.graph.replay()
        self.torch.cuda.synchronize()
