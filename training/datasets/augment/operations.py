"""The operations: each turns a text into another, or returns it as it is when it can't.

Swap, delete and insert are those of "EDA: Easy Data Augmentation" (Wei and Zou 2019), with the
customer's own words instead of WordNet. A text without spaces (Chinese, Japanese) is taken
character by character.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from training.datasets.augment.spec import PLACE, AugmentSpec

SHARE = 0.1
"""Of the words or characters of a text, one in ten is changed, and one at least."""
_BARE = r"\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
_PIECE = re.compile(rf"[{_BARE}]|[^\s{_BARE}]+|\s+")
_KEYBOARD = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_NEXT = {
    key: row[max(0, at - 1) : at] + row[at + 1 : at + 2]
    for row in _KEYBOARD
    for at, key in enumerate(row)
}
_OCR = {
    "0": "O", "O": "0", "1": "l", "l": "1", "I": "l", "5": "S", "S": "5", "8": "B", "B": "8",
    "rn": "m", "m": "rn", "cl": "d", "vv": "w", "己": "已", "已": "己", "未": "末", "末": "未",
    "土": "士", "士": "土", "人": "入", "入": "人", "日": "曰", "千": "干", "干": "千",
}  # fmt: skip
Operation = Callable[[str, random.Random, AugmentSpec], str]


def _pieces(text: str) -> list[str]:
    return _PIECE.findall(text)


def _wordy(pieces: Sequence[str]) -> list[int]:
    return [at for at, piece in enumerate(pieces) if not piece.isspace()]


def _count(units: int) -> int:
    return max(1, round(units * SHARE))


def _found(text: str, spec: AugmentSpec) -> list[tuple[int, int, list[str]]]:
    """Return (start, end, replacements) of the list's words in a text, longest first, in any case.

    A word of ASCII counts as a whole word only.
    """
    lower = "".join(low if len(low := one.lower()) == 1 else one for one in text)
    lengths, words = spec.lookup
    found, at = [], 0
    while at < len(lower):
        fits = (n for n in lengths if lower[at : at + n] in words and _stands(lower, at, at + n))
        length = next(fits, 0)
        if length:
            found.append((at, at + length, words[lower[at : at + length]]))
        at += length or 1
    return found


def _stands(text: str, start: int, end: int) -> bool:
    if not text[start:end].isascii():
        return True
    around = text[start - 1 : start] + text[end : end + 1]
    return not any(one.isalnum() and one.isascii() for one in around)


def _dictionary(text: str, chance: random.Random, spec: AugmentSpec) -> str:
    found = _found(text, spec)
    if not found:
        return text
    places = sorted(chance.sample(range(len(found)), min(len(found), _count(len(_pieces(text))))))
    parts, at = [], 0
    for place in places:
        start, end, others = found[place]
        parts += [text[at:start], chance.choice(others)]
        at = end
    return "".join([*parts, text[at:]])


def _swap(text: str, chance: random.Random, _spec: AugmentSpec) -> str:
    pieces = _pieces(text)
    places = _wordy(pieces)
    if len(places) < 2:
        return text
    for _time in range(_count(len(places))):
        one, other = chance.sample(places, 2)
        pieces[one], pieces[other] = pieces[other], pieces[one]
    return "".join(pieces)


def _delete(text: str, chance: random.Random, _spec: AugmentSpec) -> str:
    pieces = _pieces(text)
    places = _wordy(pieces)
    if len(places) < 2:
        return text
    gone = set(chance.sample(places, min(len(places) - 1, _count(len(places)))))
    kept = "".join(piece for at, piece in enumerate(pieces) if at not in gone)
    return re.sub(r"(\s)\s+", r"\1", kept).strip()


def _insert(text: str, chance: random.Random, spec: AugmentSpec) -> str:
    """Insert a replacement of a word that the text has, at a random place, as EDA does."""
    known = _found(text, spec)
    if not known:
        return text
    pieces = _pieces(text)
    places = _wordy(pieces)
    for _time in range(_count(len(places))):
        word = chance.choice(chance.choice(known)[2])
        at = chance.choice([*places, len(pieces)])
        pieces.insert(at, f"{word} " if word.isascii() else word)
    return "".join(pieces).strip()


def _typos(text: str, chance: random.Random, _spec: AugmentSpec) -> str:
    """Hit the key beside, double a character, drop one, or turn two round."""
    letters = list(text)
    for _time in range(max(1, round(len(letters) * SHARE / 2))):
        places = [at for at, one in enumerate(letters) if not one.isspace()]
        if len(places) < 3:
            return text
        at = chance.choice(places[:-1])
        beside = _NEXT.get(letters[at])
        kind = chance.randrange(4)
        if kind == 0 and beside:
            letters[at] = chance.choice(beside)
        elif kind == 1 and letters[at].isascii():
            letters.insert(at, letters[at])
        elif kind == 2:
            del letters[at]
        else:
            letters[at], letters[at + 1] = letters[at + 1], letters[at]
    return "".join(letters)


def _ocr(text: str, chance: random.Random, _spec: AugmentSpec) -> str:
    """Mistake characters for those that look alike, as a scanner does."""
    found = [(m.start(), m.group()) for m in _LOOKALIKE.finditer(text)]
    if not found:
        return text
    for at, seen in sorted(chance.sample(found, _count(len(found))), reverse=True):
        text = text[:at] + _OCR[seen] + text[at + len(seen) :]
    return text


_LOOKALIKE = re.compile("|".join(sorted(map(re.escape, _OCR), key=len, reverse=True)))


def _templates(text: str, chance: random.Random, spec: AugmentSpec) -> str:
    return chance.choice(spec.templates).replace(PLACE, text)


BY_NAME: Mapping[str, Operation] = MappingProxyType(
    {
        "dictionary": _dictionary,
        "swap": _swap,
        "delete": _delete,
        "insert": _insert,
        "typos": _typos,
        "ocr": _ocr,
        "templates": _templates,
    }
)
