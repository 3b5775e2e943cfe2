"""`check_model`: the built-in backbones keep every promise, and each planted fault fails the check that is about it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from alpt_ref.catalog import MODELS
from alpt_ref.errors import InputError
from alpt_ref.models import Dnn, Fm
from alpt_ref.testing import check_model

SMALL: dict[str, Any] = {"hidden": (6, 5)}


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("batch_norm", [True, False])
def test_every_built_in_backbone_passes(kind: str, batch_norm: bool) -> None:
    settings = SMALL | {"batch_norm": batch_norm} if "hidden" in MODELS[kind].settings else {}
    check_model(kind, dim=1 if kind == "logistic" else 4, **settings)


class WrongGradient(Dnn):
    def _backward(self, x: Any, dlogits: Any, demb: Any, params: bool) -> None:
        super()._backward(x, dlogits, demb, params)
        if params:
            self.grads["output.weight"] *= 1.01


class WrongDataGradient(Fm):
    def _backward(self, x: Any, dlogits: Any, demb: Any, params: bool) -> None:
        super()._backward(x, dlogits, demb, params)
        demb[:, -1] += 1e-3


class FillsGradientsAlways(Fm):
    def _backward(self, x: Any, dlogits: Any, demb: Any, params: bool) -> None:
        super()._backward(x, dlogits, demb, True)


class MovesStatisticsAlways(Dnn):
    def _forward(self, x: Any, logits: Any, training: bool, update_stats: bool) -> None:
        super()._forward(x, logits, training, training)


class NeverMovesStatistics(Dnn):
    def _forward(self, x: Any, logits: Any, training: bool, update_stats: bool) -> None:
        super()._forward(x, logits, training, False)


class CentresTheBatch(Fm):
    def _forward(self, x: Any, logits: Any, training: bool, update_stats: bool) -> None:
        super()._forward(x, logits, training, update_stats)
        if not training:
            logits -= logits.mean()


class HidesAParameter(Fm):
    def __init__(self, *arguments: Any, seed: int = 0, **keywords: Any) -> None:
        super().__init__(*arguments, seed=seed, **keywords)
        self.offset = float(seed)

    def _forward(self, x: Any, logits: Any, training: bool, update_stats: bool) -> None:
        super()._forward(x, logits, training, update_stats)
        logits += self.offset


class ReplacesItsArrays(Fm):
    def load_state(self, state: Any) -> None:
        super().load_state(state)
        self.params["bias"] = self.params["bias"].copy()


class IsRandom(Fm):
    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self.params["bias"] += np.random.default_rng().standard_normal()


class WorksInPlace(Fm):
    def _forward(self, x: Any, logits: Any, training: bool, update_stats: bool) -> None:
        super()._forward(x, logits, training, update_stats)
        x *= 0.5


class ForgetsToRefuse(Fm):
    def _checked(self, emb: Any) -> Any:
        return emb.reshape(len(emb), -1)[:, : self.fields * self.width].astype(self.dtype).copy()


class DependsOnThreads(Fm):
    def _forward(self, x: Any, logits: Any, training: bool, update_stats: bool) -> None:
        from alpt_ref import num_threads

        super()._forward(x, logits, training, update_stats)
        logits *= num_threads()

    def _backward(self, x: Any, dlogits: Any, demb: Any, params: bool) -> None:
        from alpt_ref import num_threads

        super()._backward(x, dlogits * num_threads(), demb, params)


@pytest.mark.parametrize(
    ("fault", "check"),
    [
        (WrongGradient, "gradients"),
        (WrongDataGradient, "gradients"),
        (FillsGradientsAlways, "data gradients only"),
        (MovesStatisticsAlways, "statistics"),
        (NeverMovesStatistics, "statistics"),
        (CentresTheBatch, "evaluation"),
        (HidesAParameter, "state"),
        (ReplacesItsArrays, "state"),
        (IsRandom, "initial weights"),
        (WorksInPlace, "forward"),
        (ForgetsToRefuse, "refusals"),
        (DependsOnThreads, "threads"),
    ],
)
def test_a_planted_fault_fails_the_check_that_is_about_it(fault: type[Any], check: str) -> None:
    with pytest.raises(AssertionError, match=f"^{fault.__name__} fails the check '{check}': "):
        check_model(fault, **(SMALL if issubclass(fault, Dnn) else {}))


def test_the_wrong_array_is_named() -> None:
    with pytest.raises(AssertionError, match=r"the gradient of params\['output.weight'\] at element \d+ is "):
        check_model(WrongGradient, **SMALL)


def test_what_is_no_backbone_is_refused() -> None:
    wrong: Any = dict
    with pytest.raises(InputError, match="backbone 'builtins:dict' must be a subclass of Model"):
        check_model(wrong)
