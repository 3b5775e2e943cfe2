"""The exceptions a user can meet. Everything else that escapes is a bug.

Every message is one sentence that names the argument, the value, the rule and what to do instead, for example
``bits must be 2, 4, 8 or 16, got 3``. The command line prints the message alone, without a traceback.
"""

from __future__ import annotations

import re

_NUMPY_SCALAR = re.compile(
    r"\bnp\.(?:(?:u?int|float)\d+|u?longlong|longdouble|str_|bool_?)\(('[^']*'|[^()']*)\)|\bnp\.(True|False)_"
)
"""How NumPy 2 writes a scalar: ``np.int64(2)`` is 2 to whoever reads a sentence."""


class AlptError(Exception):
    """Base of all errors raised on purpose by this package.

    Values of NumPy are named as values: ``got 2``, not ``got np.int64(2)``.

    Examples
    --------
    >>> issubclass(InputError, AlptError), issubclass(TrainingError, AlptError)
    (True, True)
    >>> import numpy as np
    >>> str(InputError(f"labels must be 0 or 1, got {np.int64(2)!r}"))
    'labels must be 0 or 1, got 2'
    """

    def __init__(self, *args: object) -> None:
        if args and isinstance(args[0], str):
            args = (_NUMPY_SCALAR.sub(lambda found: found[1] or found[2] or "", args[0]), *args[1:])
        super().__init__(*args)


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
