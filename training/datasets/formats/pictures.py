"""One image: decoded to prove that it is one, upright, without metadata, with a thumbnail.

For the parsing child only: it alone decodes strangers' images, and Pillow is loaded by it alone.
"""

from __future__ import annotations

import io
import struct
import zlib
from typing import TYPE_CHECKING, Any, NamedTuple

from training.datasets.formats.bare import bare

if TYPE_CHECKING:
    from PIL.Image import Image

MOST_BYTES = 32 * 1024**2
MOST_PIXELS = 64_000_000
THUMB = 320
QUALITY = 95
ENDINGS = {
    "jpg": "JPEG", "jpeg": "JPEG", "jpe": "JPEG", "jfif": "JPEG", "png": "PNG", "webp": "WEBP",
    "gif": "GIF", "bmp": "BMP", "dib": "BMP",
}  # fmt: skip
TYPES = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}
"""What is stored, and its media type; a GIF's first frame and a BMP become PNG."""
_ORIENTATION = 0x0112
_SEE_THROUGH = frozenset({"RGBA", "RGBa", "LA", "La", "PA"})
_FAULTS = (
    OSError, SyntaxError, ValueError, EOFError, LookupError, TypeError, AttributeError,
    ArithmeticError, NotImplementedError, RuntimeError, struct.error, zlib.error,
)  # fmt: skip
"""What Pillow's decoders raise on files made to break them."""


class Unfit(Exception):
    """This image isn't taken; a code of `reasons.ROW`, and what its sentence needs."""

    def __init__(self, code: str, **detail: object) -> None:
        """Keep code and detail."""
        super().__init__(code)
        self.code = code
        self.detail = detail


class Picture(NamedTuple):
    """An image as it is stored: the file, its media type, its size in pixels, a WebP thumbnail."""

    data: bytes
    type: str
    width: int
    height: int
    thumb: bytes


def kind_by_name(name: str) -> str:
    """Return the kind that a file's name promises, '' if no image that is read here."""
    return ENDINGS.get(name.lower().rsplit(".", 1)[-1], "") if "." in name else ""


def kind_of(data: bytes) -> str:
    """Return the kind of an image by its first bytes, '' if it is none that is read here."""
    if data.startswith(b"RIFF"):
        return "WEBP" if data[8:12] == b"WEBP" else ""
    starts = {b"\xff\xd8\xff": "JPEG", b"\x89PNG\r\n\x1a\n": "PNG", b"GIF87a": "GIF",
              b"GIF89a": "GIF", b"BM": "BMP"}  # fmt: skip
    return next((kind for start, kind in starts.items() if data.startswith(start)), "")


def picture_of(data: bytes, thumb: int = THUMB) -> Picture:
    """Return the image in `data` as it is stored.

    Raises:
        Unfit: `image_none`, `image_pixels`, `image_broken`.
    """
    kind = kind_of(data)
    if not kind:
        raise Unfit("image_none")
    try:
        return _picture(data, kind, thumb)
    except _FAULTS as error:
        raise Unfit("image_broken", kind=kind) from error


def _picture(data: bytes, kind: str, thumb: int) -> Picture:
    from PIL import ImageOps  # noqa: PLC0415 - the child only

    _opened(data, kind).verify()
    whole = _opened(data, kind)
    if kind == "PNG":
        whole.load()  # Its EXIF may stand behind the pixels.
    turned = whole.getexif().get(_ORIENTATION) in range(2, 9)
    plain = None if turned else bare(data, kind)
    if plain is not None:
        kept, image = plain, _opened(plain, kind)
        image.load()
    else:
        whole.load()
        image = _without_metadata(ImageOps.exif_transpose(whole))
        kind = kind if kind in TYPES else "PNG"
        encoded = _encoded(image, kind, lossless=b"VP8L" in data[:64])
        kept = bare(encoded, kind) or encoded
    small = _without_metadata(image)
    small.thumbnail((thumb, thumb))
    return Picture(kept, TYPES[kind], *image.size, _encoded(small, "WEBP", quality=80))


def _opened(data: bytes, kind: str) -> Image:
    """Read an image's head; no pixel is decoded before its size is known to be allowed."""
    from PIL import Image, WebPImagePlugin  # noqa: F401, PLC0415 - the child only

    Image.MAX_IMAGE_PIXELS = MOST_PIXELS
    try:
        image = Image.open(io.BytesIO(data), formats=[kind])
    except Image.DecompressionBombError as error:
        raise Unfit("image_pixels", most=MOST_PIXELS // 1_000_000) from error
    width, height = image.size
    if width * height > MOST_PIXELS:
        raise Unfit("image_pixels", most=MOST_PIXELS // 1_000_000)
    return image


def _without_metadata(image: Image) -> Image:
    """Return the pixels alone, as grey, RGB or RGBA of eight bits a channel."""
    if image.mode in {"I", "I;16", "I;16B", "I;16L"}:
        image = image.point(lambda value: value * (1 / 257))
        mode = "L"
    elif image.mode in _SEE_THROUGH or "transparency" in image.info:
        mode = "RGBA"
    else:
        mode = "L" if image.mode in {"1", "L"} else "RGB"
    plain = image.convert(mode) if image.mode != mode else image.copy()
    plain.info = {}
    return plain


def _encoded(image: Image, kind: str, *, lossless: bool = False, quality: int = QUALITY) -> bytes:
    stream = io.BytesIO()
    options: dict[str, dict[str, Any]] = {
        "JPEG": {"quality": quality, "subsampling": 0},
        "WEBP": {"quality": quality, "lossless": lossless, "exact": lossless},
        "PNG": {},
    }
    image.save(stream, format=kind, **options[kind])
    return stream.getvalue()
