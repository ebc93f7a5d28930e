"""Images and zips of them for tests, made with Pillow."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from typing import Any

from PIL import Image

_GPS, _ORIENTATION, _MAKER = 0x8825, 0x0112, 0x010F


def image(shade: int, kind: str = "PNG", *, size: tuple[int, int] = (40, 30), **more: Any) -> bytes:
    """Return an image file; each shade is another image."""
    stream = io.BytesIO()
    picture = Image.linear_gradient("L").resize(size).convert("RGB")
    picture.paste((shade % 256, shade // 256 % 256, 90), (0, 0, size[0] // 2, size[1] // 3))
    picture.save(stream, kind, **more)
    return stream.getvalue()


def photo(shade: int) -> bytes:
    """Return a JPEG as a telephone writes it: on its side, with the place where it was taken."""
    exif = Image.Exif()
    exif[_ORIENTATION], exif[_MAKER] = 6, "Telephone Works"
    exif.get_ifd(_GPS)[2] = (52.0, 31.0, 12.0)
    return image(shade, "JPEG", exif=exif, comment=b"secret place")


def zip_of(files: Mapping[str, bytes]) -> bytes:
    """Return a zip of these files."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


def pets(count: int = 6, more: Mapping[str, bytes] | None = None) -> bytes:
    """Return a zip of so many cats and as many dogs, and `more` files."""
    files = {
        f"pets/{label}/{number}.png": image(100 * start + number)
        for start, label in enumerate(("cat", "dog"))
        for number in range(count)
    }
    return zip_of({**files, **(more or {})})
