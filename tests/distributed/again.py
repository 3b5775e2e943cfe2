"""A program that trains several times on the processes of a launcher, one of the runs refused."""

from __future__ import annotations

import sys
import time

from alpt_ref import InputError
from alpt_ref.distributed import train
from tests.distributed.runs import clicks, config


def main() -> None:
    """Each run is the same; with the word ``late`` there is a pause before the last two."""
    for late in (0, 0, 1):
        time.sleep(late * (sys.argv[1] == "late"))
        _say(train(config(train={"epochs": 1}), clicks()).test_auc)
        try:
            train(config(train={"slices": 3}), clicks())
        except InputError as error:
            _say(error)


def _say(text: object) -> None:
    sys.stdout.write(f"{text}\n")  # at once, whoever writes too
    sys.stdout.flush()


if __name__ == "__main__":
    main()
