"""Runs that differ in their number of epochs alone: with the same seed each is the beginning of the next."""

from __future__ import annotations

from alpt_ref.studies.reproduce import Study
from alpt_ref.training.config import RunConfig


def name(label: str, epochs: int) -> str:
    return f"{label} after {epochs}"


def traced(study: Study, labels: tuple[str, ...]) -> dict[str, RunConfig]:
    """Every method stopped after each of the study's checkpoints, its last state kept."""
    return {
        name(label, epochs): study.run(label, study.trace).replace(
            "train", epochs=epochs, test_epoch="last", patience=None
        )
        for label in labels
        for epochs in checkpoints(study)
    }


def checkpoints(study: Study) -> list[int]:
    """The study's checkpoints, as far as its runs go."""
    return [epochs for epochs in study.checkpoints if epochs <= study.base.train.epochs]
