"""Texts as sets of shingles: what two texts share says how near they are. Pure."""

from __future__ import annotations

import re
import unicodedata
import zlib
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Shingles = NDArray[np.uint32]
"""Sorted hashes of a text's shingles, each once."""

_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"  # Thai, Lao, Burmese, Khmer
    "\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff"  # kana and iteration marks
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"  # Han
)
_SYMBOLS = "\u2190-\u2bff\U0001f000-\U0001faff"
_TOKEN = re.compile(f"[{_UNSPACED}]+|[^\\W_{_UNSPACED}]+|[{_SYMBOLS}]")
_IS_UNSPACED = re.compile(f"[{_UNSPACED}]")
_PAIR = 0x9E3779B1
_MASK = 0xFFFFFFFF
_WIDTH = 3


def normal(text: str) -> str:
    """Return the text without what a repeat may differ in: case, width, kind of space."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def shingles_of(text: str) -> Shingles:
    """Return the shingles of a text; none for one of punctuation only.

    Scripts with spaces give words and pairs of neighbouring words; Chinese, Japanese and other
    scripts without give each three neighbouring characters. Case, width and punctuation don't
    count, pictographs do.
    """
    words: list[int] = []
    joined: list[str] = []
    for token in _TOKEN.findall(normal(text)):
        if _IS_UNSPACED.match(token):
            joined.append(token)
        else:
            words.append(zlib.crc32(token.encode()))
    found = set(words)
    found.update((first * _PAIR + second) & _MASK for first, second in pairwise(words))
    run = "".join(joined)
    if run:
        last = max(1, len(run) - _WIDTH + 1)
        found.update(zlib.crc32(run[at : at + _WIDTH].encode()) for at in range(last))
    return np.array(sorted(found), dtype=np.uint32)


def likeness(one: Shingles, other: Shingles) -> float:
    """Return the Jaccard index of two texts: shared shingles by all shingles, 0 to 1."""
    if not len(one) or not len(other):
        return 0.0
    both = np.concatenate((one, other))
    both.sort()
    shared = int(np.count_nonzero(both[1:] == both[:-1]))
    return shared / (len(both) - shared)
