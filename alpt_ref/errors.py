"""The exceptions a user can meet. Everything else that escapes is a bug.

Every message is one sentence that names the argument, the value, the rule and the way out, for example
``bits must be 2, 4, 8 or 16, got 3``. The command line prints the message alone, without a traceback.
"""

from __future__ import annotations


class AlptError(Exception):
    """Base of all errors raised on purpose by this package."""


class InputError(AlptError, ValueError):
    """An argument, option, file or value breaks a stated rule; nothing has been changed or written."""


class TrainingError(AlptError, RuntimeError):
    """Training cannot go on (NaN or infinity); the message names the step, the last good state is kept."""


class AlptWarning(UserWarning):
    """Base of all warnings of this package; the command line prints ``Warning:`` and the sentence."""


class CacheWarning(AlptWarning):
    """Compiled kernels cannot be kept on disk, or what is kept there is damaged; results do not depend on it."""
