"""`CTRClassifier` on day 3: without update, after a pass over day 2, and refitted on both days; one cause at a time."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from alpt_ref import CTRClassifier, auc
from alpt_ref.training.learner import Learner
from analysis.day2.logs import Days

SETTINGS: dict[str, Any] = {"epochs": 1, "min_count": 2}
SMALL = 32
"""Rows of a call where a day comes in small calls."""
