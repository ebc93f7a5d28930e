"""Parquet: read by batches whose decoded bytes are counted, since a footer may lie. Pure."""

from __future__ import annotations

import base64
import datetime as dt
import decimal
from collections.abc import Iterator
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from training.datasets.formats.archives import refuse_bomb
from training.datasets.formats.records import MAX_COLUMNS, Entry, Fault, FileRefused

BATCH_ROWS = 256


def parquet_records(binary: BinaryIO, size: int) -> Iterator[Entry | Fault]:
    """Yield rows, numbered from 1.

    Raises:
        FileRefused: `parquet_broken`, `too_many_columns`, `bomb`.
    """
    number, decoded = 0, 0
    try:
        file = pq.ParquetFile(binary, pre_buffer=False)
        width = len(file.schema_arrow.names)
        if width > MAX_COLUMNS:
            raise FileRefused("too_many_columns", found=width, most=MAX_COLUMNS)
        for batch in file.iter_batches(batch_size=BATCH_ROWS, use_threads=False):
            decoded += batch.nbytes
            refuse_bomb(decoded, size)
            for values in batch.to_pylist():
                number += 1
                # A dictionary's bytes count once in a batch, and here as often as they are used.
                decoded += sum(len(one) for one in values.values() if isinstance(one, str | bytes))
                refuse_bomb(decoded, size)
                yield Entry(number, {name: _plain(value) for name, value in values.items()})
    except (pa.ArrowException, OSError, ValueError) as error:
        raise FileRefused("parquet_broken", why=str(error)[:200], row=number + 1) from error


def _plain(value: object) -> object:
    """Return a value as JSON has it; what JSON hasn't as text, bytes as base64."""
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, dict):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, dt.datetime | dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return str(value) if isinstance(value, decimal.Decimal | dt.timedelta) else repr(value)
