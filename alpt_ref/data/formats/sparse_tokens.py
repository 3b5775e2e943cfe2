"""Words of sparse text (``label id:value …``) and their parts between colons, found without a loop over them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_ID = re.compile(r"[0-9]{1,39}\Z", re.ASCII)
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,9})?\Z", re.ASCII)


@dataclass(frozen=True)
class Tokens:
    """The words of some lines.

    Parameters
    ----------
    texts : Arrow array of strings (parts,)
        What stands between two separators.
    starts : int64 array (words,)
        The first part of each word.
    pieces : int64 array (words,)
        Its number of parts.
    lines : int64 array (words,)
        Its line, from 0.
    leads : bool array (words,)
        Whether it is the first word of its line.
    """

    texts: Any
    starts: NDArray[np.int64]
    pieces: NDArray[np.int64]
    lines: NDArray[np.int64]
    leads: NDArray[np.bool_]

    def text(self, word: int) -> str:
        """A word as it stands."""
        start = int(self.starts[word])
        return ":".join(self.texts[start : start + int(self.pieces[word])].to_pylist())


def tokens_of(data: bytes) -> Tokens:
    """The words of whole lines, between which one blank stands.

    Examples
    --------
    >>> words = tokens_of(b"1 7:0.5 8" + bytes([10]) + b"0" + bytes([10]))
    >>> words.texts.to_pylist(), words.pieces.tolist(), words.lines.tolist(), words.leads.tolist()
    (['1', '7', '0.5', '8', '0'], [1, 2, 1, 1], [0, 0, 0, 1], [True, False, False, True])
    """
    import pyarrow as pa

    text = np.frombuffer(data, np.uint8)
    between = (text == 32) | (text == 10) | (text == 58)
    places = np.flatnonzero(between)
    marks = text[places]
    edges = np.concatenate(([0], places - np.arange(len(places)))).astype(np.int64)
    bare = text[~between]
    texts = pa.LargeStringArray.from_buffers(len(places), pa.py_buffer(edges), pa.py_buffer(bare)).cast(pa.string())
    ends = np.flatnonzero(marks != 58)
    starts = np.concatenate(([0], ends[:-1] + 1)) if len(ends) else ends
    feeds = marks[ends] == 10
    lines = np.cumsum(feeds) - feeds
    leads = np.concatenate(([True], feeds[:-1])) if len(feeds) else feeds
    return Tokens(texts, starts, ends - starts + 1, lines, leads)


def whole_texts(texts: Any) -> tuple[NDArray[np.int32], Any]:
    """Ids as categories, ``007`` like ``7``: codes, -1 for what is no id, and the categories as an Arrow array."""
    import pyarrow as pa

    coded = texts.dictionary_encode()
    if _all_match(coded.dictionary, "^(0|[1-9][0-9]{0,38})$"):
        return coded.indices.to_numpy(), coded.dictionary
    place: dict[str | None, int] = {None: -1}
    known = [
        place.setdefault(str(int(text)) if _ID.match(text) else None, len(place) - 1)
        for text in coded.dictionary.to_pylist()
    ]
    codes = np.array(known, np.int32)[coded.indices.to_numpy()] if known else np.zeros(0, np.int32)
    return codes, pa.array(list(place)[1:], pa.string())


def _all_match(texts: Any, pattern: str) -> bool:
    """Whether every text is of a form, told without a loop over them."""
    import pyarrow.compute as pc

    return bool(pc.all(pc.match_substring_regex(texts, pattern), min_count=0).as_py())


def numbers_of(texts: Any) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Numbers as float32, and which of the texts are finite ones."""
    coded = texts.dictionary_encode()
    if _all_match(coded.dictionary, r"^-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,2})?$"):
        found = coded.dictionary.cast("float64").to_numpy()
    else:
        distinct = coded.dictionary.to_pylist()
        found = np.array([float(text) if _NUMBER.match(text) else np.nan for text in distinct], np.float64)
    with np.errstate(over="ignore"):
        narrow = found.astype(np.float32)
    if not len(narrow):
        return np.zeros(0, np.float32), np.zeros(0, bool)
    values = narrow[coded.indices.to_numpy()]
    return values, np.isfinite(values)
