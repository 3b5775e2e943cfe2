"""The exceptions a user can meet. Everything else that escapes is a bug.

Every message is one sentence that names the argument, the value, the rule and what to do instead, for example
``bits must be 2, 4, 8 or 16, got 3``. The command line prints the message alone, without a traceback.
"""

from __future__ import annotations


class AlptError(Exception):
    """Base of all errors raised on purpose by this package.

    Examples
    --------
    >>> issubclass(InputError, AlptError), issubclass(TrainingError, AlptError)
    (True, True)
    """


class InputError(AlptError, ValueError):
    """An argument, option, file or value breaks a stated rule; nothing has been changed or written.

    It is a `ValueError` too.

    Examples
    --------
    >>> from alpt_ref import QuantSpec
    >>> QuantSpec(bits=3)
    Traceback (most recent call last):
    alpt_ref.errors.InputError: bits must be 2, 4, 8 or 16, got 3
    """


class TrainingError(AlptError, RuntimeError):
    """Training cannot continue (NaN or infinity); the message names the step, the last good state is kept.

    Examples
    --------
    >>> import numpy as np
    >>> from alpt_ref import make_table
    >>> table = make_table("fp32", 10, 2)
    >>> try:
    ...     table.apply_gradients([3], np.full((1, 2), np.inf, np.float32))
    ... except TrainingError as error:
    ...     print(str(error).split(";")[0])
    grads must be finite, got NaN or infinity at position 0 of table update 0
    """


class AlptWarning(UserWarning):
    """Base of all warnings of this package; the command line prints ``Warning:`` and the sentence."""


class CacheWarning(AlptWarning):
    """Compiled kernels cannot be kept on disk, or what is kept there is damaged; results do not depend on it."""


class LostRankError(TrainingError):
    """Another process of a run did not answer: it has ended, or its machine cannot be reached."""
