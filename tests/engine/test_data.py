import csv
import json
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.engine.samples import make_rows, write_csv
from training.engine.data import Example, assign_splits, load
from training.engine.errors import DataError
from training.engine.spec import DataSpec

HEADER = ("text", "label")
SPLIT_HEADER = ("text", "label", "split")


def refusal(path: Path, **columns: str) -> DataError:
    with pytest.raises(DataError) as caught:
        load(DataSpec(path=str(path), **columns), seed=0)
    assert caught.value.exit_code == 65
    return caught.value


def given_splits() -> list[tuple[str, str, str]]:
    rows = make_rows(40)
    return [
        (text, label, "test" if place >= 32 else "validation" if place >= 24 else "train")
        for place, (text, label) in enumerate(rows)
    ]


def test_csv_jsonl_and_parquet_give_the_same_rows(tmp_path: Path) -> None:
    rows = [*make_rows(40), ('a "quoted",\nlong text', "good"), ("中文 é", "bad")]
    write_csv(tmp_path / "rows.csv", rows, HEADER)
    content = [{"text": text, "label": label} for text, label in rows]
    lines = "\n".join(json.dumps(item, ensure_ascii=False) for item in content)
    (tmp_path / "rows.jsonl").write_text(lines, encoding="utf-8")
    pq.write_table(pa.Table.from_pylist(content), tmp_path / "rows.parquet")
    loaded = [
        load(DataSpec(path=str(tmp_path / f"rows.{kind}")), seed=0)
        for kind in ("csv", "jsonl", "parquet")
    ]
    assert loaded[0].labels == ["bad", "good"]
    for other in loaded[1:]:
        assert (other.train, other.validation, other.test) == (
            loaded[0].train,
            loaded[0].validation,
            loaded[0].test,
        )


def test_the_split_is_seeded_stratified_and_never_crosses_duplicates() -> None:
    rows = [*make_rows(200), *make_rows(200), (" " + make_rows(1)[0][0], "bad")]
    examples = [Example(text, label, row) for row, (text, label) in enumerate(rows, start=1)]
    for seed in range(5):
        splits = assign_splits(examples, seed=seed)
        assert splits == assign_splits(examples, seed=seed)
        homes: dict[str, set[str]] = {}
        for example, name in zip(examples, splits, strict=True):
            homes.setdefault(example.text.strip(), set()).add(name)
        assert all(len(names) == 1 for names in homes.values())
        for name in ("test", "validation"):
            counts = Counter(
                example.label
                for example, home in zip(examples, splits, strict=True)
                if home == name
            )
            assert abs(counts["good"] - counts["bad"]) <= 3
    assert assign_splits(examples, seed=0) != assign_splits(examples, seed=1)


def test_a_given_split_is_obeyed_and_a_missing_validation_comes_from_train(
    tmp_path: Path,
) -> None:
    rows = given_splits()
    path = write_csv(tmp_path / "a.csv", rows, SPLIT_HEADER)
    data = load(DataSpec(path=str(path), split="split"), seed=0)
    assert (len(data.train), len(data.validation), len(data.test)) == (24, 8, 8)
    merged = [(text, label, "train" if s == "validation" else s) for text, label, s in rows]
    path = write_csv(tmp_path / "b.csv", merged, SPLIT_HEADER)
    data = load(DataSpec(path=str(path), split="split"), seed=0)
    assert (len(data.train), len(data.validation), len(data.test)) == (28, 4, 8)
    assert [item.text for item in data.test] == [text for text, _, s in rows if s == "test"]


def test_own_column_names_and_identifiers_are_kept(tmp_path: Path) -> None:
    rows = [(f"id{n}", text, label) for n, (text, label) in enumerate(make_rows(40))]
    path = write_csv(tmp_path / "a.csv", rows, ("key", "review", "mood"))
    data = load(DataSpec(path=str(path), text="review", label="mood", id="key"), seed=0)
    assert all(item.id == f"id{item.row - 1}" for item in data.train)


def test_conflicts_and_repeats_are_noted(tmp_path: Path) -> None:
    rows = make_rows(40)
    extra = [rows[0], (rows[1][0], "good" if rows[1][1] == "bad" else "bad")]
    data = load(DataSpec(path=str(write_csv(tmp_path / "a.csv", rows + extra, HEADER))), seed=0)
    assert [note.code for note in data.notes] == ["conflicting_labels", "repeated_texts"]


def test_rows_that_cannot_be_trained_on_are_refused(tmp_path: Path) -> None:
    good = make_rows(40)
    cases = {
        "no_rows": [],
        "empty_text": [*good, ("  ", "good")],
        "empty_label": [*good, ("some text", "")],
        "one_class": [(text, "good") for text, _ in good],
        "class_too_small": [*good, ("a lone text", "rare")],
        "too_few_rows": good[:4],
    }
    for code, rows in cases.items():
        error = refusal(write_csv(tmp_path / f"{code}.csv", rows, HEADER))
        assert error.code == code, error.message
        assert error.message.endswith(".")
    assert "Row 41" in refusal(tmp_path / "empty_text.csv").message


def test_a_missing_column_is_refused_with_the_columns_there_are(tmp_path: Path) -> None:
    error = refusal(write_csv(tmp_path / "a.csv", make_rows(10), ("review", "label")))
    assert error.code == "missing_column"
    assert "“review”, “label”" in error.message


def test_bad_splits_are_refused(tmp_path: Path) -> None:
    rows = given_splits()
    cases = {
        "leakage": [*rows, (rows[0][0], rows[0][1], "test")],
        "unknown_label": [*rows, ("a new text", "new", "test")],
        "unknown_split": [*rows, ("a new text", "good", "hold-out")],
        "too_few_rows": [row for row in rows if row[2] != "test"],
    }
    for code, content in cases.items():
        error = refusal(write_csv(tmp_path / f"{code}.csv", content, SPLIT_HEADER), split="split")
        assert error.code == code, error.message


def test_files_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    files = {
        "a.csv": (b"text,label\n\xff\xfe,good\n", "not_utf8"),
        "b.csv": (b"text,label\na,b,good\n", "bad_csv"),
        "c.csv": (b'text,label\n"never closed,good\n', "bad_csv"),
        "d.jsonl": (b'{"text": "a", "label": "b"}\n{"text": \n', "bad_json"),
        "e.jsonl": (b'["a", "b"]\n', "bad_json"),
        "f.jsonl": (b'{"text": ["a"], "label": "b"}\n', "bad_value"),
        "g.parquet": (b"PAR1 but not really", "bad_parquet"),
        "h.xlsx": (b"", "unknown_format"),
        "i.csv": (b"", "no_rows"),
    }
    for name, (content, code) in files.items():
        (tmp_path / name).write_bytes(content)
        assert refusal(tmp_path / name).code == code, name
    assert refusal(tmp_path / "absent.csv").code == "no_file"


def test_a_long_field_is_read(tmp_path: Path) -> None:
    rows = [*make_rows(40), ("word " * 60_000, "good")]
    path = write_csv(tmp_path / "a.csv", rows, HEADER)
    assert len(load(DataSpec(path=str(path)), seed=0).train) >= 30
    assert csv.field_size_limit() > 300_000
