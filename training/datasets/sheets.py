"""Rows of versions side by side on disk: what comparing and restoring look things up in.

A million rows do not fit into a worker's memory twice, so they go into a SQLite file that lives
as long as the job.
"""

from __future__ import annotations

import json
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow.parquet as pq

from training.datasets.hashes import content_hash

Line = tuple[str, str, str, str, str | None, str | None, str | None]
"""id, content hash, text, label, split (null: of today), other fields and image, each as JSON."""


class Sheet:
    """A SQLite file of tables `id, content, text, label, split, fields, image`."""

    def __init__(self) -> None:
        """Make the file; it goes when the block ends."""
        self._folder = tempfile.TemporaryDirectory(prefix="modelyard-rows-")
        self.folder = Path(self._folder.name)
        self._file = sqlite3.connect(self.folder / "rows.sqlite", isolation_level=None)
        self._file.execute("pragma journal_mode = off")
        self._file.execute("pragma synchronous = off")

    def __enter__(self) -> Sheet:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Remove the file."""
        self._file.close()
        self._folder.cleanup()

    def table(self, name: str) -> None:
        """Make an empty table of rows."""
        self._file.execute(
            f"create table {name} (id text primary key, content text, text text, label text, "
            "split text, fields text, image text) without rowid"
        )

    def add(self, name: str, lines: Iterable[Line]) -> None:
        """Add rows to a table."""
        self._file.execute("begin")
        self._file.executemany(f"insert into {name} values (?, ?, ?, ?, ?, ?, ?)", lines)  # noqa: S608
        self._file.execute("commit")

    def run(self, sql: str, *values: Any) -> None:
        """Run one statement."""
        self._file.execute(sql, values)

    def ask(self, sql: str, *values: Any) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a question, as they are read."""
        yield from self._file.execute(sql, values)

    def number(self, sql: str) -> int:
        """Return the one number that a question has for an answer."""
        return int(self._file.execute(sql).fetchone()[0])


def lines_of(path: Path) -> Iterator[list[Line]]:
    """Yield the real rows of a version's file in batches; augmented ones are left out.

    Files from before a version kept everything have no content hash (it is computed) and no
    other fields (null).
    """
    with pq.ParquetFile(path) as file:
        there = set(file.schema_arrow.names)
        wanted = ["id", "text", "label", "split", "parent", "fields", "content", "image"]
        columns = [name for name in wanted if name in there]
        for batch in file.iter_batches(batch_size=2_000, columns=columns):
            yield [
                (
                    row["id"],
                    row.get("content") or content_hash(row["text"], row["label"]),
                    row["text"],
                    row["label"],
                    row["split"],
                    row.get("fields"),
                    json_text(row.get("image")),
                )
                for row in batch.to_pylist()
                if row.get("parent") is None
            ]


def keeps_fields(path: Path) -> bool:
    """Tell whether a version's file has the other fields of its rows."""
    return "fields" in pq.read_schema(path).names


def json_text(value: object) -> str | None:
    """Return the other fields, or the image, of a row as a sheet has them; None for none."""
    return json.dumps(value, ensure_ascii=False) if value else None
