"""A first look at a file: container, format, encoding, columns, first rows."""

from __future__ import annotations

import io
import itertools
import zlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, BinaryIO

from training.datasets import encodings
from training.datasets.formats import (
    FORMATS,
    IMAGES,
    TEXTUAL,
    archives,
    autotrain,
    conll,
    doccano,
    huggingface,
    image_zip,
    labelstudio,
    openai,
    reading,
    vertex,
)
from training.datasets.formats.records import Entry, Fault, FileRefused, Source, shown
from training.datasets.formats.sheets import open_workbook, sheet_names
from training.datasets.guessing import delimiter_of, has_header
from training.datasets.previews import Look, Wish, report

SAMPLE_BYTES = 1024**2
SHOWN_MEMBERS = 200
_LOOKED_AT = 200
_ZIP, _GZIP, _OLE, _PARQUET = b"PK\x03\x04", b"\x1f\x8b", b"\xd0\xcf\x11\xe0", b"PAR1"
WHOLE = (_ZIP, b"PK\x05\x06", _OLE, _PARQUET)
"""Starts of files that are read from their ends: all of them is needed for a look."""
_OTHERS = (
    (b"%PDF", "pdf_file"),
    (b"7z\xbc\xaf\x27\x1c", "archive_other"),
    (b"Rar!", "archive_other"),
    (b"BZh", "archive_other"),
    (b"\xfd7zXZ", "archive_other"),
    (b"\x28\xb5\x2f\xfd", "archive_other"),
    (b"\x89PNG", "image_file"),
    (b"\xff\xd8\xff", "image_file"),
    (b"GIF8", "image_file"),
)


def inspect(binary: BinaryIO, filename: str, wish: Wish, *, cut: bool) -> dict[str, Any]:
    """Return what the mapping page shows.

    Args:
        binary: The file, or its start.
        filename: Its name; only its ending is looked at.
        wish: What the user set.
        cut: Whether the file goes on behind `binary`.

    Returns:
        `source` (a `Source` as a dict with guessed columns), `columns`, `facts` (of each column),
        `rows` (up to 20: line and the values of the columns), `stored` (up to 20 rows as they
        will be stored), `faults` (how many), `refused_rows` (up to 20 of them), `looked_at`,
        `members` and `formats` that may be chosen. Of a zip of images, what `image_zip.look` adds.

    Raises:
        FileRefused: The file is of no use; with the sentence's code.
    """
    sample = binary.read(SAMPLE_BYTES)
    cut = cut or bool(binary.read(1))
    binary.seek(0)
    _refuse_useless(sample)
    if sample.startswith((_ZIP, b"PK\x05\x06")) and not _is_workbook(binary):
        if _is_images(binary, wish):
            return image_zip.look(binary)
        look = _zip(binary, wish)
    elif sample.startswith(_GZIP):
        inflated, more = _inflated(sample, cut=cut)
        _refuse_useless(inflated)
        if inflated.startswith((*WHOLE, _GZIP)) or inflated[257:262] == b"ustar":
            raise FileRefused("archive_nested")
        name = filename.lower().removesuffix(".gz")
        look = _text(inflated, name, wish, cut=more)
        look.source = replace(look.source, container="gzip")
    else:
        look = _file(binary, sample, filename, wish, cut=cut)
    return report(look, wish)


def _refuse_useless(sample: bytes) -> None:
    if not sample:
        raise FileRefused("empty_file")
    for magic, code in _OTHERS:
        if sample.startswith(magic):
            raise FileRefused(code)
    if sample[257:262] == b"ustar":
        raise FileRefused("archive_other")


def _is_images(binary: BinaryIO, wish: Wish) -> bool:
    names = archives.open_zip(binary, archives.MOST_IMAGES).namelist()
    binary.seek(0)
    return wish.format in {None, IMAGES.name} and image_zip.is_images(names)


def _is_workbook(binary: BinaryIO) -> bool:
    archive = archives.open_zip(binary, archives.MOST_IMAGES)
    names = set(archive.namelist())
    kind = b""
    if _has_small(archive, "mimetype"):
        kind = archives.open_member(archive, "mimetype", binary).read(80)
    binary.seek(0)
    return "xl/workbook.xml" in names or "xl/workbook.bin" in names or b"spreadsheet" in kind


def _has_small(archive: Any, name: str) -> bool:
    return name in archive.namelist() and archive.getinfo(name).file_size < 200


def _inflated(sample: bytes, *, cut: bool) -> tuple[bytes, bool]:
    """Return the first megabyte of a gzip file's content, and whether there is more."""
    engine = zlib.decompressobj(wbits=31)
    try:
        data = engine.decompress(sample, SAMPLE_BYTES)
    except zlib.error as error:
        raise FileRefused("archive_broken", why=str(error)[:200]) from error
    if not engine.eof and not cut and not engine.unconsumed_tail:
        raise FileRefused("archive_broken", why="it ends too early")
    return data, not engine.eof or bool(engine.unused_data)


def _zip(binary: BinaryIO, wish: Wish) -> Look:
    """Look at one member of a zip; all members of its kind are read the same way."""
    archive = archives.open_zip(binary)
    found = archives.members(archive)
    names = [one.name for one in found]
    if not names:
        raise FileRefused("no_rows")
    card = huggingface.card_of(found)
    split = [name for name in names if huggingface.split_of(name) and reading.carrier_by_name(name)]
    if wish.format == "huggingface" or (wish.format is None and split and card):
        look = _folder(binary, archive, card, split, wish)
    else:
        look = _members(binary, archive, names, wish)
    look.source = replace(look.source, container="zip")
    return look


def _folder(binary: BinaryIO, archive: Any, card: str, split: list[str], wish: Wish) -> Look:
    if not split:
        raise FileRefused("no_rows")
    about = (
        archives.open_member(archive, card, binary).read(huggingface.CARD_BYTES) if card else b""
    )
    classes = huggingface.classes_of(about)
    first = next((name for name in split if huggingface.split_of(name) == "train"), split[0])
    look = _member(binary, archive, first, replace(wish, format=None))
    source = replace(look.source, format="huggingface", classes=classes)
    whole = replace(source, member=first, container="zip")
    look.found = list(itertools.islice(reading.entries(binary, whole), _LOOKED_AT))
    look.source = replace(source, member="")
    look.formats = ["huggingface", *look.formats]
    return look


def _members(binary: BinaryIO, archive: Any, names: list[str], wish: Wish) -> Look:
    usable = [name for name in names if reading.carrier_by_name(name)]
    if not usable:
        nested = any(name.lower().endswith((".zip", ".gz", ".7z", ".tar")) for name in names)
        code = "archive_nested" if nested else "no_member"
        raise FileRefused(code, members=", ".join(shown(name) for name in names[:5]))
    if wish.member and wish.member not in usable:
        raise FileRefused("member_missing", member=wish.member[:200])
    carriers = {reading.carrier_by_name(name) for name in usable}
    all_alike = len(carriers) == 1
    largest = max(usable, key=lambda name: archive.getinfo(name).file_size)
    chosen = wish.member or (usable[0] if all_alike else largest)
    look = _member(binary, archive, chosen, wish)
    several = all_alike and not wish.member
    look.source = replace(look.source, member="" if several else chosen)
    look.members = usable[:SHOWN_MEMBERS]
    return look


def _member(binary: BinaryIO, archive: Any, name: str, wish: Wish) -> Look:
    stream = archives.open_member(archive, name, binary)
    if reading.carrier_by_name(name) in reading.BINARY:
        stream = reading.spooled(stream)
        sample = stream.read(SAMPLE_BYTES)
        stream.seek(0)
        return _file(stream, sample, name, replace(wish, member=None), cut=False)
    sample = stream.read(SAMPLE_BYTES)
    more = bool(stream.read(1))
    _refuse_useless(sample)
    if sample.startswith((*WHOLE, _GZIP)):
        raise FileRefused("archive_nested")
    return _text(sample, name, wish, cut=more)


def _file(binary: BinaryIO, sample: bytes, filename: str, wish: Wish, *, cut: bool) -> Look:
    """Look at a file that isn't packed."""
    if sample.startswith(_PARQUET):
        return _binary(binary, Source("parquet", "utf-8"), [])
    if sample.startswith((_ZIP, _OLE)):
        sheets = sheet_names(open_workbook(binary))
        binary.seek(0)
        if not sheets:
            raise FileRefused("no_rows")
        member = wish.member or (sheets[0] if len(sheets) > 1 else "")
        header = True if wish.header is None else wish.header
        return _binary(binary, Source("xlsx", "utf-8", header=header, member=member), sheets)
    return _text(sample, filename, wish, cut=cut)


def _binary(binary: BinaryIO, source: Source, members: list[str]) -> Look:
    found = list(itertools.islice(reading.entries(binary, source), _LOOKED_AT))
    return Look(source, found, members if len(members) > 1 else [], [source.format])


def _text(sample: bytes, filename: str, wish: Wish, *, cut: bool) -> Look:
    """Look at a file of letters."""
    encoding = wish.encoding or encodings.guess(sample)
    text = _decoded(sample, encoding)
    name = wish.format or _format(text, filename)
    source = Source(name, encoding)
    carrier = FORMATS[name].carrier
    if cut and carrier != "json":
        text = _whole_lines(text)
    if carrier == "csv":
        source = _table(text, filename, source, wish)
    found: list[Entry | Fault] = []
    try:
        stream = io.StringIO(text, newline=None if carrier == "json" else "")
        found.extend(itertools.islice(reading.from_text(stream, carrier, source), _LOOKED_AT))
    except FileRefused as refusal:
        # A sample ends in the middle of a list; what came before it is what we look at.
        if not (cut and refusal.code == "json_broken" and found):
            raise
    if cut and carrier == "conll":
        found = found[:-1]
    if not wish.format:
        source = replace(source, format=_shape(source, found))
    return Look(source, [*reading.flattened(found, source)], formats=TEXTUAL)


def _table(text: str, filename: str, source: Source, wish: Wish) -> Source:
    """Find out delimiter and header; a Vertex file has a comma and none."""
    if source.format == "vertex":
        return replace(source, delimiter=",", header=False)
    delimiter = wish.delimiter
    if delimiter is None:
        tab = filename.lower().endswith((".tsv", ".tab", ".tsv.gz"))
        delimiter = delimiter_of(text, prefer_tab=tab)
    from_cells = reading.cells(text, delimiter, _LOOKED_AT)
    if not from_cells:
        raise FileRefused("no_rows")
    is_vertex = delimiter == "," and wish.header is None and vertex.recognises(from_cells)
    if is_vertex and wish.format is None:
        return replace(source, format="vertex", delimiter=",", header=False)
    header = has_header(from_cells) if wish.header is None else wish.header
    if header and len(from_cells) == 1:
        columns = ", ".join(shown(cell) for cell in from_cells[0].cells[:20])
        raise FileRefused("header_only", columns=columns)
    return replace(source, delimiter=delimiter, header=header)


def _shape(source: Source, found: Sequence[Entry | Fault]) -> str:
    """Return the format whose shape the records have."""
    entries = [one for one in found if isinstance(one, Entry)]
    columns = list(entries[0].values) if entries else []
    shapes = {
        "json": (("labelstudio", labelstudio.recognises(entries)),),
        "jsonl": (("openai", openai.recognises(entries)), ("doccano", doccano.recognises(entries))),
        "csv": (("autotrain", source.header and autotrain.recognises(columns)),),
    }
    named = [name for name, fits in shapes.get(source.format, ()) if fits and entries]
    return named[0] if named else source.format


def _decoded(sample: bytes, encoding: str) -> str:
    codec = encodings.CODECS[encoding]
    try:
        text = sample.decode(codec, errors="modelyard.mark")
    except UnicodeError as error:
        raise FileRefused("encoding_wrong", encoding=encoding) from error
    if not text.strip():
        raise FileRefused("empty_file")
    odd = sum(text.count(character) for character in ("\x00", "\x01", "\x02", "\x03", "\x08"))
    if odd > max(8, len(text) // 100) or text.count(encodings.BAD) > max(32, len(text) // 5):
        raise FileRefused("binary_file", encoding=encoding)
    return text


def _whole_lines(text: str) -> str:
    """Drop the line that the sample's end cut."""
    end = max(text.rfind("\n"), text.rfind("\r"))
    if end < 0:
        raise FileRefused("first_line_long")
    return text[: end + 1]


def _format(text: str, filename: str) -> str:
    """Return the carrier of letters: by what they are, then by the file's name."""
    start = text.lstrip("\ufeff \t\r\n")
    promised = reading.carrier_by_name(filename.lower().removesuffix(".gz"))
    if start.startswith("[") and start[1:].lstrip()[:1] in {"{", "]", ""}:
        return "json"
    if start.startswith("{"):
        lines = reading.from_text(io.StringIO(text, newline=""), "jsonl", Source("jsonl", "utf-8"))
        some = list(itertools.islice(lines, 20))
        if 2 * sum(isinstance(one, Fault) for one in some) > len(some):
            raise FileRefused("json_not_list")
        return "jsonl"
    if promised == "conll" or (promised in {"", "txt"} and conll.looks_like(text)):
        return "conll"
    if promised == "txt" and delimiter_of(text, prefer_tab=True) != "\t":
        return "txt"
    return "csv"
