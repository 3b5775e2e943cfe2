"""In a process that runs a mutant: machine code that the mutant cannot have changed is taken from the cache.

The package keys its cache by all sources, so any mutant would have every kernel compiled again. Here a kernel whose
module depends on a changed one is kept in a folder of the mutant's own, and all others in one that all mutants share.
Imported by `worker`, and by pytest as a plug-in (``-p``); both get the variables below.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from alpt_ref.kernels import jit

CHANGED = "ALPT_REF_MUTANT_MODULES"
"""Modules that depend on what was changed, separated by commas."""
SHARED, OWN = "ALPT_REF_MUTANT_SHARED_CACHE", "ALPT_REF_MUTANT_OWN_CACHE"


def directory() -> Path:
    """Where the kernel that is being decorated is kept; takes the place of `cache.cache_directory`."""
    module = sys._getframe(1).f_locals["function"].__module__
    folder = Path(os.environ[OWN if module in os.environ[CHANGED].split(",") else SHARED])
    folder.mkdir(parents=True, exist_ok=True)
    return folder


if CHANGED in os.environ:
    setattr(jit, "cache_directory", directory)  # noqa: B010  # a name that jit itself imports
