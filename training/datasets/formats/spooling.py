"""The rows of an export on their way into a file: spooled once, so that a writer knows them all.

One pass over the database writes each row as a line of JSON beside what the writers must know
before their first byte: which columns there are, of which kinds, which splits and labels.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Written = tuple[str, str | None, Mapping[str, Any]]
"""Text, label, other fields."""


@dataclass
class Layout:
    """How the columns of a table are called and ordered: as in the file that brought the rows.

    Attributes:
        text: Name of the column with the text.
        label: Name of the column with the label.
        order: Names of the columns, these two included, as far as they are known.
        classes: Names of the label's classes, in the order of their numbers, as far as known.
    """

    text: str = "text"
    label: str = "label"
    order: Sequence[str] = ()
    classes: Sequence[str] = ()


@dataclass
class Spool:
    """Rows in a file of JSON lines, and what is known of all of them."""

    path: Path
    layout: Layout = field(default_factory=Layout)
    count: int = 0
    kinds: dict[str, set[str]] = field(default_factory=dict)
    labels: Counter[str | None] = field(default_factory=Counter)
    splits: Counter[str] = field(default_factory=Counter)
    step: Callable[[], None] = lambda: None

    def fill(self, rows: Iterable[Written]) -> None:
        """Take in all rows."""
        with self.path.open("w", encoding="utf-8") as stream:
            for text, label, fields in rows:
                stream.write(json.dumps([text, label, fields]) + "\n")
                self.count += 1
                self.labels[label] += 1
                self.splits[str(fields.get("split") or "train")] += 1
                for name, value in fields.items():
                    self.kinds.setdefault(name, set()).add(kind(value))

    def rows(self) -> Iterator[Written]:
        """Yield the rows in their order."""
        with self.path.open(encoding="utf-8") as stream:
            for line in stream:
                text, label, fields = json.loads(line)
                self.step()
                yield text, label, fields

    def columns(self) -> list[str]:
        """Return the names of all columns of a table, those of text and label included."""
        text, label = self.names()
        known = [name for name in self.layout.order if name in {text, label, *self.kinds}]
        columns = known if text in known else [text, *known]
        if label not in columns and any(one is not None for one in self.labels):
            columns = [*columns, label]
        return [*columns, *sorted(set(self.kinds) - set(columns))]

    def names(self) -> tuple[str, str]:
        """Return the names of the columns of text and label, apart from all others."""
        return self._free(self.layout.text, "text"), self._free(self.layout.label, "label")

    def _free(self, *wanted: str) -> str:
        endless = (f"{wanted[-1]} ({number})" for number in range(2, len(self.kinds) + 4))
        return next(name for name in (*wanted, *endless) if name not in self.kinds)

    def records(self) -> Iterator[dict[str, Any]]:
        """Yield the rows as records: named values, without those that aren't there."""
        text_name, label_name = self.names()
        order = self.columns()
        for text, label, fields in self.rows():
            values = {**fields, text_name: text}
            if label is not None:
                values[label_name] = label
            yield {name: values[name] for name in order if name in values}


def kind(value: object) -> str:
    """Return what a value is: null, truth, whole, number, text, nested or large."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "truth"
    if isinstance(value, int):
        return "whole" if -(2**63) <= value < 2**63 else "large"
    if isinstance(value, float):
        return "number"
    return "text" if isinstance(value, str) else "nested"


def as_cell(value: object) -> str:
    """Return a value as a cell of letters has it."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
