"""The models against the same networks in PyTorch: gradients, running statistics, and a stretch of training."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from alpt_ref.models import Model, bce_with_logits
from alpt_ref.models.optim import make_dense_optimizer
from tests.models.helpers import batch, random_model
from tests.tolerances import FLOAT64, FLOAT64_TRAJECTORY

torch: Any = pytest.importorskip("torch")
SIZES: dict[str, Any] = {"fields": 5, "dim": 4}
DEEP = [
    (kind, SIZES | {"hidden": (9, 6), "batch_norm": norm})
    for kind in ("dnn", "deepfm", "dcn")
    for norm in (True, False)
]
CASES: list[tuple[str, dict[str, Any]]] = [("fm", SIZES), *DEEP]


class Peer:
    """`model` in PyTorch, parameters under the same names."""

    def __init__(self, model: Model) -> None:
        self.kind, self.fields = model.kind, model.fields
        self.params = {n: torch.tensor(p, requires_grad=True) for n, p in model.params.items()}
        self.buffers = {n: torch.tensor(b) for n, b in model.buffers.items()}

    def logits(self, x0: Any) -> Any:
        p, i, machine = self.params, 0, torch.zeros(())
        if self.kind in ("fm", "deepfm"):
            rows = x0.reshape(len(x0), self.fields, -1)
            v, w = rows[..., :-1], rows[..., -1]
            machine = w.sum(1) + ((v.sum(1) ** 2) - (v**2).sum(1)).sum(1) / 2  # Rendle 2010, lemma 3.1
            x0 = v.reshape(len(x0), -1)
        if self.kind == "fm":
            return p["bias"] + machine
        h = x0
        while f"mlp.{i}.linear.weight" in p:
            h = h @ p[f"mlp.{i}.linear.weight"]
            norm = f"mlp.{i}.norm."
            if norm + "weight" in p:
                running = (self.buffers[norm + "running_mean"], self.buffers[norm + "running_var"])
                h = torch.nn.functional.batch_norm(h, *running, p[norm + "weight"], p[norm + "bias"], training=True)
            else:
                h = h + p[f"mlp.{i}.linear.bias"]
            h, i = torch.relu(h), i + 1
        if "cross.weight" in p:
            x = x0
            for weight, bias in zip(p["cross.weight"], p["cross.bias"], strict=True):
                x = x0 * (x @ weight)[:, None] + bias + x
            h = torch.cat([x, h], dim=1)
        return h @ p["output.weight"] + p["output.bias"] + machine

    def loss(self, x: Any, labels: Any) -> Any:
        y = torch.tensor(labels, dtype=x.dtype)
        return torch.nn.functional.binary_cross_entropy_with_logits(self.logits(x), y)


def close(ours: Any, theirs: Any, rtol: float, name: str) -> None:
    expected = theirs.detach().numpy()
    np.testing.assert_allclose(ours, expected, rtol=rtol, atol=rtol * max(np.abs(expected).max(), 1e-3), err_msg=name)


@pytest.mark.parametrize(("kind", "options"), CASES)
def test_one_step_agrees(kind: str, options: dict[str, Any]) -> None:
    model = random_model(kind, **options)
    peer = Peer(model)
    emb, labels = batch(model, 300)
    x = torch.tensor(emb, requires_grad=True)
    peer_loss = peer.loss(x, labels)
    peer_loss.backward()
    loss, dlogits = bce_with_logits(model.forward(emb, training=True), labels)
    demb = model.backward(dlogits)
    assert loss == pytest.approx(peer_loss.item(), rel=FLOAT64)
    close(demb.reshape(300, -1), x.grad, FLOAT64, "input")
    for name, grad in model.grads.items():
        close(grad, peer.params[name].grad, FLOAT64, name)
    for name, value in model.buffers.items():
        close(value, peer.buffers[name], FLOAT64, name)


@pytest.mark.parametrize(("kind", "options"), CASES)
def test_twenty_steps_of_adam_agree(kind: str, options: dict[str, Any]) -> None:
    model = random_model(kind, **options)
    peer = Peer(model)
    ours = make_dense_optimizer("adam", lr=1e-2, weight_decay=0.01)
    theirs = torch.optim.AdamW(peer.params.values(), lr=1e-2, weight_decay=0.01)
    for step in range(20):
        emb, labels = batch(model, 200, seed=step)
        theirs.zero_grad()
        peer.loss(torch.tensor(emb), labels).backward()
        theirs.step()
        model.backward(bce_with_logits(model.forward(emb, training=True), labels)[1])
        ours.step(model.params, model.grads)
    for name, value in model.params.items():
        close(value, peer.params[name], FLOAT64_TRAJECTORY, name)
    for name, value in model.buffers.items():
        close(value, peer.buffers[name], FLOAT64_TRAJECTORY, name)
