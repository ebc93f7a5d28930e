"""Which encoding a file is in: byte order mark, UTF-8, UTF-16, then a guess the user confirms.

Pure: no Django, so that the disposable parsing child stays small.
"""

from __future__ import annotations

import codecs

from charset_normalizer import from_bytes

CODECS = {
    "utf-8": "utf-8-sig",
    "utf-16": "utf-16",
    "utf-16-le": "utf-16-le",
    "utf-16-be": "utf-16-be",
    "gb18030": "gb18030",
    "big5": "big5hkscs",
    "shift_jis": "cp932",
    "euc-jp": "euc_jp",
    "euc-kr": "cp949",
    "windows-1250": "cp1250",
    "windows-1251": "cp1251",
    "windows-1252": "cp1252",
    "koi8-r": "koi8_r",
}
"""The name people choose -> Python's codec. windows-1252 contains Latin-1's letters."""

BAD = "\udc80"
"""Stands for bytes that the encoding doesn't have; can't occur in decoded text otherwise."""

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_GUESSES = ["gb18030", "big5hkscs", "cp932", "euc_jp", "cp949", "cp1251", "cp1252", "koi8_r"]
_JAPANESE = ("shift_jis", "euc-jp")
_NOT_WESTERN = frozenset(b"\xff\xfe\x81\x8d\x8f\x90\x9d")
"""Bytes that are unassigned in windows-1252, or letters that hardly any word has."""


def _mark(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return BAD, error.end


codecs.register_error("modelyard.mark", _mark)


def decodes(sample: bytes, codec: str) -> bool:
    """Tell whether `sample` is wholly valid, but for a character cut at its end."""
    decoder = codecs.getincrementaldecoder(codec)()
    try:
        decoder.decode(sample, final=False)
    except UnicodeError:
        return False
    return True


def _utf16_without_mark(sample: bytes) -> str | None:
    """Latin text in UTF-16 has a zero in every other byte."""
    even, odd = sample[0:4096:2], sample[1:4096:2]
    if len(odd) < 2:
        return None
    if odd.count(0) > 0.4 * len(odd) and even.count(0) < 0.1 * len(even):
        return "utf-16-le"
    if even.count(0) > 0.4 * len(even) and odd.count(0) < 0.1 * len(odd):
        return "utf-16-be"
    return None


def _damaged_utf8(sample: bytes) -> bool:
    """A few bad bytes in otherwise good UTF-8 are faults of rows, not another encoding."""
    text = sample.decode("utf-8", errors="modelyard.mark")
    bad = text.count(BAD)
    foreign = sum(1 for character in text if ord(character) > 127 and character != BAD)
    if foreign > 4 * bad:
        return True
    return bad <= max(3, len(text) // 50) and any(byte in _NOT_WESTERN for byte in sample)


def _kana_share(sample: bytes, codec: str) -> float:
    """Return which part of the foreign characters is kana: much of it is only in Japanese."""
    if not decodes(sample, codec):
        return 0.0
    text = sample.decode(codec, errors="ignore")
    foreign = [character for character in text if ord(character) > 127]
    return sum("\u3040" <= one <= "\u30ff" for one in foreign) / max(1, len(foreign))


def guess(sample: bytes) -> str:
    """Return the likely encoding of the start of a file, as a key of `CODECS`."""
    for mark, name in _MARKS:
        if sample.startswith(mark):
            return name
    wide = _utf16_without_mark(sample)
    if wide is not None:
        return wide
    if decodes(sample, "utf-8"):
        return "utf-8"
    if _damaged_utf8(sample):
        return "utf-8"
    japanese = next((name for name in _JAPANESE if _kana_share(sample, CODECS[name]) > 0.3), None)
    if japanese is not None:
        return japanese
    best = from_bytes(sample[: 256 * 1024], cp_isolation=_GUESSES, enable_fallback=False).best()
    found = best.encoding if best is not None else "cp1252"
    return next((name for name, codec in CODECS.items() if codec == found), "windows-1252")
