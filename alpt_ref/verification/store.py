"""Where cells are kept: one JSON file for each (cell, seed, variant), whole or absent.

A file is named by the hash of the cell, the seed, the variant and the code (`code_hash`), so that a changed claim
or kernel never meets an old result. A failed measurement leaves no file. A file carries a checksum; one that is
damaged counts as absent and is computed again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alpt_ref._util.files import STALE_S, remove_parts, write_text
from alpt_ref._util.folders import remove_locks
from alpt_ref.verification.claim import Bound, Constants
from alpt_ref.verification.codec import canonical, from_plain
from alpt_ref.verification.measurement import Measurement

FORMAT = 1


@dataclass(frozen=True)
class Record:
    """What measuring one (cell, seed, variant) gave; the content of a stored file, or a failure, which is not stored.

    Attributes
    ----------
    failed_assumptions : names; not empty means NOT_APPLICABLE, and `measurement` may be None
    failure : why there is no measurement, or ""
    """

    constants: Constants
    bound: Bound
    measurement: Measurement | None
    failed_assumptions: tuple[str, ...] = ()
    seconds: float = 0.0
    failure: str = ""


def cell_key(claim: str, cell: dict[str, Any], seed: int, variant: str, code: str) -> str:
    """Name of a cell's file: 32 hexadecimal digits."""
    return _digest(canonical([FORMAT, claim, cell, seed, variant, code]))[:32]


def cell_seed(seed: int, claim: str, cell: dict[str, Any], replicate: int) -> int:
    """The seed of one replicate of one cell, in [0, 2^63): it depends on these four values and on nothing else.

    A control gets the seed of the cell that it is compared with, so that both see the same random words.
    """
    digest = hashlib.sha256(canonical([seed, claim, cell, replicate]).encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def plain_record(record: Record) -> dict[str, Any]:
    """A record as named values; an interval bound keeps its two ends apart from an array."""
    interval = isinstance(record.bound, tuple)
    return {
        "constants": dict(record.constants),
        "bound": {"low": record.bound[0], "high": record.bound[1]} if interval else {"value": record.bound},
        "measurement": None if record.measurement is None else record.measurement.as_dict(),
        "failed_assumptions": list(record.failed_assumptions),
        "seconds": record.seconds,
    }


def _record(plain: dict[str, Any]) -> Record:
    bound, measurement = plain["bound"], plain["measurement"]
    return Record(
        constants=plain["constants"],
        bound=(bound["low"], bound["high"]) if "low" in bound else bound["value"],
        measurement=None if measurement is None else Measurement.from_dict(measurement),
        failed_assumptions=tuple(plain["failed_assumptions"]),
        seconds=plain["seconds"],
    )


class Store:
    """The cells below one folder.

    Parameters
    ----------
    folder : the output folder; cells lie in ``cells/<claim>/<key>.json``
    warn : called with one sentence where a damaged file is found
    """

    def __init__(self, folder: Path, warn: Callable[[str], None] = lambda text: None) -> None:
        """Nothing is read or written yet."""
        self.folder = folder / "cells"
        self._warn = warn

    def path(self, claim: str, key: str) -> Path:
        """The file of a cell."""
        return self.folder / claim / f"{key}.json"

    def load(self, claim: str, key: str) -> Record | None:
        """A finished cell, or None where there is none or it is damaged."""
        path = self.path(claim, key)
        try:
            content = json.loads(path.read_bytes())
            if content["checksum"] != _digest(canonical(content["record"])) or content["key"] != key:
                raise ValueError("checksum")
            return _record(from_plain(content["record"]))
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError):
            self._warn(f"{path} is damaged and is computed again")
            return None

    def save(self, claim: str, key: str, about: dict[str, Any], text: str) -> None:
        """Write a cell's record, given as `canonical` text of `plain_record`, under its key.

        `about` says in words which cell this is; nothing reads it back.
        """
        record = json.loads(text)
        content = {"format": FORMAT, "key": key, **about, "checksum": _digest(text), "record": record}
        path = self.path(claim, key)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, json.dumps(content, sort_keys=True, allow_nan=False) + "\n")

    def clean(self) -> None:
        """Remove temporary files that a killed process left."""
        remove_parts(*self.folder.glob("*/"), older_s=STALE_S)
        remove_locks(*self.folder.glob("*/"))
