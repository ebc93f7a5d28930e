"""Rows out of a spool into a file of any format; each writer returns how many rows it wrote."""

from __future__ import annotations

import csv
import json
import re
import zipfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TextIO

import pyarrow as pa
import pyarrow.parquet as pq
import xlsxwriter

from training.datasets.formats import (
    autotrain,
    conll,
    doccano,
    guards,
    huggingface,
    labelstudio,
    openai,
    vertex,
)
from training.datasets.formats.records import FileRefused
from training.datasets.formats.spooling import Spool, Written, as_cell

BATCH_ROWS = 2_000
SHEET_ROWS = 1_048_575
SHEET_COLUMNS = 16_384
SHEET_CELL = 32_767
_UNWRITABLE = re.compile(r"_x[0-9A-Fa-f]{4}_x[0-9A-Fa-f]{4}_|[\ufffe\uffff]")


def write(name: str, spool: Spool, path: Path) -> int:
    """Write all rows of `spool` to `path` in the format `name`; return how many.

    Raises:
        FileRefused: The format can't hold these rows: `txt_line_break`, `sheet_too_many`,
            `sheet_cell`.
    """
    return _WRITERS[name](spool, path)


def _lettered(
    rows_of: Callable[[Iterable[Written], TextIO], int],
) -> Callable[[Spool, Path], int]:
    """Make a writer of files out of one of streams."""

    def write_file(spool: Spool, path: Path) -> int:
        with path.open("w", encoding="utf-8", newline="") as out:
            return rows_of(spool.rows(), out)

    return write_file


def _csv(spool: Spool, path: Path) -> int:
    """Write a table for people: no cell of it is a formula, and which were made safe is said."""
    try:
        return _table(spool, path, guarded=False)
    except guards.Dangerous:
        return _table(spool, path, guarded=True)


def _table(spool: Spool, path: Path, *, guarded: bool) -> int:
    columns, count = spool.columns(), 0
    # The byte order mark has spreadsheet programs read UTF-8.
    with path.open("w", encoding="utf-8-sig", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(guards.header(columns, guarded=guarded))
        for record in spool.records():
            cells = [as_cell(record.get(name)) for name in columns]
            writer.writerow(guards.row(cells, guarded=guarded))
            count += 1
    return count


def _autotrain(spool: Spool, path: Path) -> int:
    others, count = sorted(spool.kinds), 0
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow([autotrain.TEXT, autotrain.LABEL, *others])
        for text, label, fields in spool.rows():
            writer.writerow([text, label or "", *(as_cell(fields.get(name)) for name in others)])
            count += 1
    return count


def _jsonl(spool: Spool, path: Path) -> int:
    count = 0
    with path.open("w", encoding="utf-8", newline="") as out:
        for record in spool.records():
            out.write(json.dumps(record, ensure_ascii=False) + "\n")
            count += 1
    return count


def _json(spool: Spool, path: Path) -> int:
    count = 0
    with path.open("w", encoding="utf-8", newline="") as out:
        out.write("[")
        for record in spool.records():
            out.write((",\n" if count else "\n") + json.dumps(record, ensure_ascii=False))
            count += 1
        out.write("\n]\n")
    return count


def _txt(rows: Iterable[Written], out: TextIO) -> int:
    count = 0
    for count, (text, _label, _fields) in enumerate(rows, start=1):
        if "\n" in text or "\r" in text:
            raise FileRefused("txt_line_break", row=count)
        out.write(text + "\n")
    return count


def _xlsx(spool: Spool, path: Path) -> int:
    """Write texts as texts: a cell that starts with = is no formula in it."""
    columns, count = spool.columns(), 0
    if spool.count > SHEET_ROWS or len(columns) > SHEET_COLUMNS:
        raise FileRefused("sheet_too_many", rows=spool.count, most=SHEET_ROWS)
    options = {"constant_memory": True, "tmpdir": str(path.parent)}
    with xlsxwriter.Workbook(str(path), options) as book:
        sheet = book.add_worksheet("rows")
        for at, name in enumerate(columns):
            sheet.write_string(0, at, _sheet_text(name, 0))
        for record in spool.records():
            count += 1
            for at, name in enumerate(columns):
                _sheet_cell(sheet, count, at, record.get(name))
    return count


def _sheet_cell(sheet: Any, row: int, at: int, value: object) -> None:
    if isinstance(value, bool):
        sheet.write_boolean(row, at, value)
    elif isinstance(value, int | float) and abs(value) < 2**53:
        sheet.write_number(row, at, value)
    elif value is not None and value != "":
        sheet.write_string(row, at, _sheet_text(as_cell(value), row))


def _sheet_text(text: str, row: int) -> str:
    if len(text) > SHEET_CELL or _UNWRITABLE.search(text):
        raise FileRefused("sheet_cell", row=row, most=SHEET_CELL)
    return text


def _parquet(spool: Spool, path: Path) -> int:
    return _parquet_file(spool.records(), _schema(spool), path)


def _schema(spool: Spool) -> pa.Schema:
    """Return a type for each column: that of its values, text where they differ or are nested."""
    exact = {"whole": pa.int64(), "number": pa.float64(), "truth": pa.bool_()}
    types = {}
    for name in spool.columns():
        kinds = spool.kinds.get(name, set()) - {"null"}
        types[name] = exact.get(next(iter(kinds)), pa.string()) if len(kinds) == 1 else pa.string()
    return pa.schema(types)


def _parquet_file(records: Iterable[Mapping[str, Any]], schema: pa.Schema, path: Path) -> int:
    count = 0
    batch: list[Mapping[str, Any]] = []
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for record in records:
            batch.append(record)
            count += 1
            if len(batch) == BATCH_ROWS:
                writer.write_table(_arrow(batch, schema))
                batch = []
        if batch or not count:
            writer.write_table(_arrow(batch, schema))
    return count


def _arrow(batch: list[Mapping[str, Any]], schema: pa.Schema) -> pa.Table:
    columns = []
    for column in schema:
        values = [record.get(column.name) for record in batch]
        if column.type == pa.string():
            values = [None if value is None else as_cell(value) for value in values]
        columns.append(pa.array(values, type=column.type))
    return pa.table(columns, schema=schema)


def _huggingface(spool: Spool, path: Path) -> int:
    """Write a folder as a zip: the card, and a Parquet file of each split."""
    text, label = spool.names()
    named = {one for one in spool.labels if one is not None}
    classes = [*spool.layout.classes] if named <= {*spool.layout.classes} else sorted(named)
    numbers = {name: at for at, name in enumerate(classes)}
    schema = _schema(spool)
    if "split" in spool.kinds:
        schema = schema.remove(schema.get_field_index("split"))
    if classes:
        schema = schema.set(schema.get_field_index(label), pa.field(label, pa.int64()))
    count = 0
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        types = {one.name: None if classes and one.name == label else _hub(one) for one in schema}
        splits = dict(spool.splits) or {"train": 0}
        archive.writestr(huggingface.CARD, huggingface.card(types, splits, classes))
        for split in splits:
            file = path.with_suffix(".part")
            records = (
                {**fields, text: one, label: numbers.get(mark or "", -1)}
                for one, mark, fields in spool.rows()
                if str(fields.get("split") or "train") == split
            )
            count += _parquet_file(records, schema, file)
            archive.write(file, f"data/{split}-00000-of-00001.parquet")
            file.unlink()
    return count


def _hub(column: pa.Field) -> str:
    return {"double": "float64", "string": "string"}.get(str(column.type), str(column.type))


_WRITERS: dict[str, Callable[[Spool, Path], int]] = {
    "csv": _csv,
    "jsonl": _jsonl,
    "json": _json,
    "parquet": _parquet,
    "xlsx": _xlsx,
    "txt": _lettered(_txt),
    "openai": _lettered(openai.write),
    "vertex": _lettered(vertex.write),
    "labelstudio": _lettered(labelstudio.write),
    "doccano": _lettered(doccano.write),
    "autotrain": _autotrain,
    "conll": _lettered(conll.write),
    "huggingface": _huggingface,
}
