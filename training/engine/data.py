"""From a file to three lists of examples: read, check, split, refuse.

Every refusal is a `DataError` with a stable code and a sentence that says what to do. Rows are
counted from 1, the header not included.
"""

import csv
import io
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from training.engine.catalog import file_sha256
from training.engine.errors import DataError
from training.engine.spec import DataSpec

HELD_OUT_SHARE = 0.1
MIN_TRAIN_PER_CLASS = 2
MIN_TEXTS_TO_HOLD_OUT = 4
FIELD_LIMIT = 10 * 1024 * 1024
SPLIT_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "train": "train",
        "training": "train",
        "validation": "validation",
        "valid": "validation",
        "val": "validation",
        "dev": "validation",
        "test": "test",
    }
)


@dataclass(frozen=True)
class Example:
    """One labelled text; `row` is its number in the file, from 1; `id` the user's, if any."""

    text: str
    label: str
    row: int
    id: str | None = None


@dataclass(frozen=True)
class Note:
    """What is allowed and worth knowing: a stable code, the sentence, and its number."""

    code: str
    message: str
    count: int


@dataclass(frozen=True)
class Dataset:
    """Checked rows.

    Attributes:
        train: rows to learn from, at least two a class.
        validation: rows that choose the epoch and the baseline's C.
        test: rows that are reported.
        labels: sorted; the position is the class index.
        sha256: of the file.
        notes: What is allowed and worth knowing.
    """

    train: list[Example]
    validation: list[Example]
    test: list[Example]
    labels: list[str]
    sha256: str
    notes: list[Note]


def load(spec: DataSpec, *, seed: int, test: bool = True) -> Dataset:
    """Read the file and return its splits.

    A split column is obeyed; without one, rows are split 80/10/10 by label with `seed`, and
    rows of the same text stay together. A missing validation split is taken from train.

    Args:
        spec: the file and its columns.
        seed: of splitting.
        test: False where nothing is reported: then the file must have no row of test, and must
            say which rows are of validation.

    Raises:
        DataError: the file cannot be read, or its rows cannot be trained on.
    """
    rows = list(read_rows(spec))
    examples = [example for example, _ in rows]
    if len({example.label for example in examples}) == 1:
        raise DataError(
            "one_class",
            f"All rows have the label “{examples[0].label}”. "
            "A classifier needs at least two different labels.",
        )
    if spec.split is None:
        splits = assign_splits(examples, seed=seed)
    else:
        splits = [_split_name(name, example, spec.split) for example, name in rows]
        _check_leakage(examples, splits)
        splits = _with_validation(examples, splits, seed=seed) if test else splits
    return _checked(examples, splits, sha256=file_sha256(Path(spec.path)), test=test)


def read_rows(spec: DataSpec) -> Iterator[tuple[Example, str]]:
    """Yield every row with the content of its split column ("" without one).

    Raises:
        DataError: unreadable file, missing column, empty text or label, no rows.
    """
    path = Path(spec.path)
    if not path.is_file():
        raise DataError("no_file", f"There is no file {path}.")
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise DataError(
            "unknown_format", f"{path.name} is not one of: {', '.join(sorted(_READERS))}."
        )
    number = 0
    for number, record in enumerate(reader(path), start=1):
        yield _row(record, number, spec)
    if number == 0:
        raise DataError("no_rows", f"{path.name} has no rows.")


def assign_splits(examples: list[Example], *, seed: int) -> list[str]:
    """Return train, validation or test for each example.

    Seeded, stratified by label; examples of one text (spaces at the ends aside) share a split.
    """
    splits = _hold_out(examples, "test", seed=seed, salt=1)
    return _with_validation(examples, splits, seed=seed)


def texts_of(examples: Iterable[Example]) -> list[str]:
    """Return the texts."""
    return [example.text for example in examples]


def label_indices(examples: Iterable[Example], labels: list[str]) -> np.ndarray[Any, Any]:
    """Return the class index of each example, int64 [n]."""
    index = {label: position for position, label in enumerate(labels)}
    return np.array([index[example.label] for example in examples], dtype=np.int64)


def _with_validation(examples: list[Example], splits: list[str], *, seed: int) -> list[str]:
    """Take validation rows out of train where there are none."""
    if "validation" in splits:
        return splits
    places = [place for place, name in enumerate(splits) if name == "train"]
    held = _hold_out([examples[place] for place in places], "validation", seed=seed, salt=2)
    result = list(splits)
    for place, name in zip(places, held, strict=True):
        result[place] = name
    return result


def _hold_out(examples: list[Example], name: str, *, seed: int, salt: int) -> list[str]:
    """Name a tenth of each label's distinct texts `name`, the rest train.

    A label with fewer than `MIN_TEXTS_TO_HOLD_OUT` texts stays in train whole.
    """
    label_of: dict[str, str] = {}
    for example in examples:
        label_of.setdefault(example.text.strip(), example.label)
    texts_by_label: dict[str, list[str]] = {}
    for text, label in label_of.items():
        texts_by_label.setdefault(label, []).append(text)
    random = np.random.default_rng([seed, salt])
    held: set[str] = set()
    for label in sorted(texts_by_label):
        texts = texts_by_label[label]
        order = random.permutation(len(texts))
        if len(texts) >= MIN_TEXTS_TO_HOLD_OUT:
            count = max(1, round(HELD_OUT_SHARE * len(texts)))
            held.update(texts[place] for place in order[:count])
    return [name if example.text.strip() in held else "train" for example in examples]


def _checked(examples: list[Example], splits: list[str], *, sha256: str, test: bool) -> Dataset:
    parts: dict[str, list[Example]] = {"train": [], "validation": [], "test": []}
    for example, name in zip(examples, splits, strict=True):
        parts[name].append(example)
    if parts["test"] and not test:
        raise DataError(
            "test_rows",
            f"Row {parts['test'][0].row} is of test, which is for the report alone. Leave such "
            "rows out of this file.",
        )
    counts = Counter(example.label for example in parts["train"])
    for name in ("validation", "test"):
        for example in parts[name]:
            if example.label not in counts:
                raise DataError(
                    "unknown_label",
                    f"The label “{example.label}” is in {name} (row {example.row}) but not in "
                    "train. Move some of its rows to train, or remove it.",
                )
    if len(counts) < 2:
        raise DataError("one_class", "The train rows need at least two different labels.")
    few = sorted(label for label, count in counts.items() if count < MIN_TRAIN_PER_CLASS)
    if few:
        raise DataError(
            "class_too_small",
            f"The label “{few[0]}” has only one row in train ({len(few)} such labels). "
            f"Each label needs at least {MIN_TRAIN_PER_CLASS}: add rows or merge labels.",
        )
    for name in ("train", "validation", *(["test"] if test else [])):
        if not parts[name]:
            raise DataError(
                "too_few_rows",
                f"There are no rows for {name}. Add rows (at least {MIN_TEXTS_TO_HOLD_OUT + 2} "
                "different texts for one label), or mark some in the split column.",
            )
    return Dataset(
        train=parts["train"],
        validation=parts["validation"],
        test=parts["test"],
        labels=sorted(counts),
        sha256=sha256,
        notes=_notes(examples),
    )


def _notes(examples: list[Example]) -> list[Note]:
    labels_by_text: dict[str, set[str]] = {}
    for example in examples:
        labels_by_text.setdefault(example.text.strip(), set()).add(example.label)
    notes = []
    conflicts = sum(len(labels) > 1 for labels in labels_by_text.values())
    if conflicts:
        sentence = f"{conflicts} texts appear with more than one label."
        notes.append(Note("conflicting_labels", sentence, conflicts))
    repeats = len(examples) - len(labels_by_text)
    if repeats:
        sentence = f"{repeats} rows repeat a text of another row."
        notes.append(Note("repeated_texts", sentence, repeats))
    return notes


def _check_leakage(examples: list[Example], splits: list[str]) -> None:
    first: dict[str, tuple[str, int]] = {}
    leaks: list[tuple[int, int]] = []
    for example, name in zip(examples, splits, strict=True):
        seen, row = first.setdefault(example.text.strip(), (name, example.row))
        if seen != name:
            leaks.append((row, example.row))
    if leaks:
        one, other = leaks[0]
        raise DataError(
            "leakage",
            f"{len(leaks)} texts are in more than one split (rows {one} and {other}, for "
            "instance): the test figures would be too good. Remove the repeats, or leave the "
            "split column out and let the rows be split here.",
        )


def _split_name(value: str, example: Example, column: str) -> str:
    name = SPLIT_NAMES.get(value.strip().lower())
    if name is None:
        raise DataError(
            "unknown_split",
            f"Row {example.row}: “{value}” in column “{column}” is not train, validation or test.",
        )
    return name


def _row(record: Mapping[str, Any], number: int, spec: DataSpec) -> tuple[Example, str]:
    wanted = [spec.text, spec.label, *filter(None, (spec.split, spec.id))]
    for column in wanted:
        if column not in record:
            there = ", ".join(f"“{name}”" for name in record)
            raise DataError(
                "missing_column", f"Row {number} has no column “{column}”. It has: {there}."
            )
    text, label = (_cell(record[column], column, number) for column in (spec.text, spec.label))
    for column, value, code in (
        (spec.text, text, "empty_text"),
        (spec.label, label, "empty_label"),
    ):
        if not value.strip():
            raise DataError(
                code, f"Row {number} is empty in column “{column}”. Fill it in or remove the row."
            )
    split = _cell(record[spec.split], spec.split, number) if spec.split else ""
    identity = _cell(record[spec.id], spec.id, number) if spec.id else None
    return Example(text=text, label=label.strip(), row=number, id=identity), split


def _cell(value: Any, column: str, number: int) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool | int | float):
        return str(value)
    raise DataError(
        "bad_value", f"Row {number}, column “{column}”: expected a text, found {value!r:.80}."
    )


def _read_csv(path: Path) -> Iterator[Mapping[str, Any]]:
    csv.field_size_limit(FIELD_LIMIT)
    reader = csv.DictReader(io.StringIO(_decoded(path), newline=""), strict=True)
    try:
        for number, record in enumerate(reader, start=1):
            if None in record:
                raise DataError(
                    "bad_csv",
                    f"Row {number} (line {reader.line_num}) has more cells than the header. "
                    "Put texts that contain commas in double quotes.",
                )
            yield record
    except csv.Error as exc:
        raise DataError("bad_csv", f"Line {reader.line_num} is not valid CSV: {exc}.") from exc


def _read_jsonl(path: Path) -> Iterator[Mapping[str, Any]]:
    # Not splitlines(): U+2028 may stand inside a JSON string.
    for number, line in enumerate(_decoded(path).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except ValueError as exc:
            raise DataError("bad_json", f"Line {number} is not valid JSON: {exc}.") from exc
        if not isinstance(record, dict):
            raise DataError("bad_json", f"Line {number} is not a JSON object.")
        yield record


def _read_parquet(path: Path) -> Iterator[Mapping[str, Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches():
                yield from batch.to_pylist()
    except (pa.ArrowException, OSError) as exc:
        raise DataError("bad_parquet", f"{path.name} is not a readable Parquet file.") from exc


def _decoded(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise DataError(
            "not_utf8", f"{path.name} is not UTF-8 (byte {exc.start}). Save it as UTF-8."
        ) from exc


_READERS = MappingProxyType(
    {
        ".csv": _read_csv,
        ".jsonl": _read_jsonl,
        ".ndjson": _read_jsonl,
        ".parquet": _read_parquet,
    }
)
