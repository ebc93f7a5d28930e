"""An image file without what isn't picture: metadata and whatever else was packed in goes. Pure.

Only the parts are left that a decoder needs to get at the pixels, as they are: no pixel changes,
and a file that is bare already stays as it is, byte by byte.

JPEG: ITU-T T.81, annex B. PNG: W3C PNG (third edition), chapter 5. WebP: RFC 9649, section 2.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7]")
_SCAN, _END = 0xDA, 0xD9
_JPEG_KEPT = frozenset({*range(0xC0, 0xD0), 0xDA, 0xDB, 0xDC, 0xDD})
_PNG_START = b"\x89PNG\r\n\x1a\n"
_PNG_KEPT = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})
_WEBP_KEPT = frozenset({b"VP8X", b"ALPH", b"VP8 ", b"VP8L"})
_ALPHA = 0x10


def bare(data: bytes, kind: str) -> bytes | None:
    """Return the file without metadata; None where its parts can't be told apart.

    Args:
        data: The file.
        kind: `JPEG`, `PNG` or `WEBP`; of others nothing is known here.
    """
    strip = {"JPEG": _jpeg, "PNG": _png, "WEBP": _webp}.get(kind)
    try:
        return strip(data) if strip else None
    except IndexError:
        return None


def _jpeg(data: bytes) -> bytes | None:
    out, at = [data[:2]], 2
    while True:
        while data[at + 1] == 0xFF:
            at += 1
        marker = data[at + 1]
        if data[at] != 0xFF:
            return None
        if marker == _END:
            return b"".join([*out, b"\xff\xd9"])
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if end < at + 4 or end > len(data):
            return None
        if _is_picture(marker, data[at + 4 : end]):
            out.append(data[at:end])
        at = end
        if marker == _SCAN:
            following = _MARKER.search(data, at)
            if following is None:
                return None
            out.append(data[at : following.start()])
            at = following.start()


def _is_picture(marker: int, body: bytes) -> bool:
    """Tell whether a segment is needed: tables, frames, scans, and how colours are coded."""
    is_jfif = marker == 0xE0 and body.startswith(b"JFIF\x00") and len(body) == 14
    is_adobe = marker == 0xEE and body.startswith(b"Adobe") and len(body) == 12
    return marker in _JPEG_KEPT or is_jfif or is_adobe


def _png(data: bytes) -> bytes | None:
    out, at = [_PNG_START], len(_PNG_START)
    while True:
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        name = data[at + 4 : at + 8]
        if end > len(data) or len(name) < 4:
            return None
        if name in _PNG_KEPT:
            out.append(data[at:end])
        if name == b"IEND":
            return b"".join(out)
        at = end


def _webp(data: bytes) -> bytes | None:
    out = []
    for name, body in _riff(data):
        if name in {b"ANIM", b"ANMF"}:
            return None
        if name in _WEBP_KEPT:
            kept = bytes([body[0] & _ALPHA]) + body[1:] if name == b"VP8X" else body
            size = len(kept).to_bytes(4, "little")
            out.append(name + size + kept + b"\x00" * (len(kept) % 2))
    inner = b"WEBP" + b"".join(out)
    return b"RIFF" + len(inner).to_bytes(4, "little") + inner


def _riff(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at, end = 12, min(len(data), 8 + int.from_bytes(data[4:8], "little"))
    while at + 8 <= end:
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        yield data[at : at + 4], data[at + 8 : at + 8 + size]
        at += 8 + size + size % 2
