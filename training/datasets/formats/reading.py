"""From the bytes of a file to its entries, through its container and its carrier. Pure."""

from __future__ import annotations

import io
import itertools
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from typing import BinaryIO, TextIO, cast

from training.datasets.formats import FORMATS, archives, guards, huggingface, vertex
from training.datasets.formats.conll import conll_records
from training.datasets.formats.delimited import csv_records
from training.datasets.formats.json_files import JsonList, jsonl_records
from training.datasets.formats.parquet import parquet_records
from training.datasets.formats.plain import txt_records
from training.datasets.formats.records import (
    Cells,
    Entry,
    Fault,
    FileRefused,
    Lines,
    Source,
    column_names,
    in_member,
    open_text,
    shown,
)
from training.datasets.formats.sheets import open_workbook, sheet_names, sheet_records

Found = Iterator[Entry | Fault]
_BY_ENDING = {
    "parquet": "parquet",
    "csv": "csv",
    "tsv": "csv",
    "tab": "csv",
    "jsonl": "jsonl",
    "ndjson": "jsonl",
    "json": "json",
    "txt": "txt",
    "xlsx": "sheet",
    "xlsm": "sheet",
    "xls": "sheet",
    "ods": "sheet",
    "conll": "conll",
    "conllu": "conll",
    "iob": "conll",
    "bio": "conll",
}
BINARY = frozenset({"parquet", "sheet"})


def carrier_by_name(name: str) -> str:
    """Return the carrier that a file's name promises, '' if none."""
    return _BY_ENDING.get(name.lower().rsplit(".", 1)[-1], "")


def entries(binary: BinaryIO, source: Source) -> Found:
    """Yield the entries and faults of a whole file, streaming.

    `binary.tell()` says about how far reading is.

    Raises:
        FileRefused: The file, or a member of it, can't be read any further.
    """
    if source.container == "zip":
        archive = archives.open_zip(binary)
        chosen = chosen_members(archives.members(archive), source)
        for name in chosen:
            stream = archives.open_member(archive, name, binary)
            found = _member(spooled(stream) if _carrier(name, source) in BINARY else stream,
                            name, source)  # fmt: skip
            yield from found if len(chosen) == 1 else _of_member(name, found)
    elif source.container == "gzip":
        yield from _member(archives.open_gzip(binary), "", source)
    else:
        yield from _member(binary, "", source)


def chosen_members(found: Sequence[archives.Member], source: Source) -> list[str]:
    """Return the names of the members that are read, in order.

    Raises:
        FileRefused: `member_missing`, `no_rows`.
    """
    if source.member:
        if source.member not in {one.name for one in found}:
            raise FileRefused("member_missing", member=source.member[:200])
        return [source.member]
    if source.format == "huggingface":
        names = [one.name for one in found if huggingface.split_of(one.name)]
    else:
        names = [one.name for one in found if carrier_by_name(one.name)]
    if not names:
        raise FileRefused("no_rows")
    return names


def spooled(stream: BinaryIO) -> BinaryIO:
    """Return a stream that can seek, of the same bytes, in a file without a name."""
    target = tempfile.TemporaryFile()  # noqa: SIM115 - the reader closes it by dropping it
    shutil.copyfileobj(stream, target, 1024**2)
    target.seek(0)
    return cast("BinaryIO", target)


def _carrier(member: str, source: Source) -> str:
    return FORMATS[source.format].carrier or carrier_by_name(member)


def _of_member(name: str, found: Found) -> Found:
    """Note in each which file of the archive it is in."""
    for one in found:
        yield in_member(one, name) if isinstance(one, Fault) else one._replace(member=name)


def _member(stream: BinaryIO, name: str, source: Source) -> Found:
    carrier = _carrier(name, source)
    if carrier == "parquet":
        size = stream.seek(0, 2)
        stream.seek(0)
        found: Found = parquet_records(stream, size)
    elif carrier == "sheet":
        workbook = open_workbook(stream)
        sheets = sheet_names(workbook)
        if not sheets:
            raise FileRefused("no_rows")
        wanted = source.member if not source.container and source.member else sheets[0]
        found = _named(sheet_records(workbook, wanted), source)
    else:
        found = _decoded(stream, carrier, source)
    yield from flattened(_of_split(found, name, source), source)


def _decoded(stream: BinaryIO, carrier: str, source: Source) -> Found:
    """Yield the entries of text in the source's encoding; `stream` stays open for its `tell`."""
    text = open_text(stream, source.encoding, newline=None if carrier == "json" else "")
    try:
        yield from from_text(text, carrier, source)
    finally:
        text.detach()


def _of_split(found: Found, name: str, source: Source) -> Found:
    """Note the split that a data file's name says, and name the classes by their names."""
    if source.format != "huggingface":
        yield from found
        return
    split = huggingface.split_of(name)
    for one in found:
        if isinstance(one, Fault):
            yield one
            continue
        values = {k: _class(value, source.classes.get(k)) for k, value in one.values.items()}
        yield Entry(one.line, {**values, "split": split} if split else values)


def _class(value: object, names: Sequence[str] | None) -> object:
    """Return the name of a class; -1 is the customary number of "no label"."""
    if not names or isinstance(value, bool) or not isinstance(value, int):
        return value
    if value == -1:
        return None
    return names[value] if 0 <= value < len(names) else value


def from_text(text: TextIO, carrier: str, source: Source) -> Found:
    """Yield the entries of decoded text."""
    if carrier == "json":
        return JsonList(text).records()
    if carrier == "jsonl":
        return jsonl_records(Lines(text))
    if carrier == "txt":
        return txt_records(Lines(text))
    if carrier == "conll":
        return conll_records(Lines(text))
    return _named(csv_records(Lines(text), source.delimiter), source)


def cells(text: str, delimiter: str, most: int) -> list[Cells]:
    """Return the first good records of a table, without names."""
    found = itertools.islice(csv_records(Lines(io.StringIO(text, newline="")), delimiter), most)
    return [one for one in found if isinstance(one, Cells)]


def flattened(found: Iterable[Entry | Fault], source: Source) -> Found:
    """Yield entries with the columns that the format makes of them."""
    flatten = FORMATS[source.format].flatten
    for one in found:
        yield flatten(one) if flatten is not None and isinstance(one, Entry) else one


def _named(found: Iterable[Cells | Fault], source: Source) -> Found:
    """Give cells the names of their columns.

    Raises:
        FileRefused: `column_missing` when the file hasn't the columns that were chosen.
    """
    columns: list[str] = []
    guarded = False
    for record in found:
        if isinstance(record, Fault):
            yield _with_name(record, columns)
        elif source.format == "vertex":
            yield _entry(record, vertex.columns(max(2, len(record.cells))))
        elif not columns:
            names = [str(cell) for cell in record.cells]
            guarded = source.header and guards.is_guarded(names)
            if guarded:
                names = guards.restored(names[:-1], names[-1].removeprefix(guards.COLUMN))
            columns = column_names(names, header=source.header)
            _require(columns, source)
            if not source.header:
                yield _entry(record, columns)
        else:
            yield _entry(_unguarded(record) if guarded else record, columns)


def _unguarded(record: Cells) -> Cells:
    """Take away the apostrophes that an export of ours put there, as its last cell says."""
    *cells, marks = [str(cell) for cell in record.cells] or [""]
    return Cells(record.line, guards.restored(cells, marks))


def _entry(record: Cells, columns: Sequence[str]) -> Entry | Fault:
    line, cells = record
    if len(cells) != len(columns):
        detail = {"found": len(cells), "expected": len(columns)}
        return Fault(line, "", "field_count", shown(" | ".join(map(str, cells))), detail)
    return Entry(line, dict(zip(columns, cells, strict=True)))


def _require(columns: Sequence[str], source: Source) -> None:
    for name in (source.text, source.label):
        if name and name not in columns:
            raise FileRefused("column_missing", column=name, columns=", ".join(columns[:20]))


def _with_name(fault: Fault, columns: Sequence[str]) -> Fault:
    """Put the column's name where a reader could only count cells."""
    cell = fault.detail.get("cell")
    if isinstance(cell, int) and cell <= len(columns):
        return Fault(fault.line, columns[cell - 1], fault.code, fault.value)
    return fault
