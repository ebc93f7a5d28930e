"""Formats: what comes in goes out again, and what goes out comes in again, whole."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xlsxwriter

from training.datasets import checks, sniff
from training.datasets.checks import Row
from training.datasets.formats import FORMATS
from training.datasets.formats.reading import entries
from training.datasets.formats.records import Fault, FileRefused, Source
from training.datasets.formats.spooling import Layout, Spool
from training.datasets.formats.writing import write
from training.datasets.previews import Wish

OPENAI = [
    {"messages": [{"role": "system", "content": "Sort tickets."},
                  {"role": "user", "content": "My parcel,\nis late"},
                  {"role": "assistant", "content": "delivery", "weight": 1}], "tools": []},
    {"messages": [{"role": "user", "content": "你好 😀"}, {"role": "assistant", "content": "hi"},
                  {"role": "user", "content": "退款"}, {"role": "assistant", "content": "refund"}]},
]  # fmt: skip
STUDIO = [
    {"id": 7, "data": {"review": "good 电影", "url": "http://x.test"}, "meta": {"a": [1, 2]},
     "annotations": [{"id": 1, "completed_by": 3, "lead_time": 2.5, "was_cancelled": False,
                      "result": [{"id": "r", "from_name": "mood", "to_name": "review",
                                  "type": "choices", "value": {"choices": ["pos"]}}]}],
     "predictions": []},
    {"id": 8, "data": {"review": "dull", "url": ""}, "annotations": [], "predictions": []},
]  # fmt: skip
DOCCANO = [
    {"id": 1, "text": "EU rejects call", "label": [[0, 2, "ORG"]], "Comments": []},
    {"id": 2, "text": "fine", "label": ["pos"]},
    {"id": 3, "text": "not yet", "label": []},
]
CONLL = """-DOCSTART- -X- O O

EU NNP B-NP B-ORG
rejects VBZ B-VP O

Peter NNP B-NP B-PER
Blackburn NNP I-NP I-PER

"""
VERTEX = [["TRAINING", "good, film", "pos"], ["TEST", 'say "no"', "neg"], ["UNASSIGNED", "x", ""]]
TABLE = [
    {"id": "1", "review": "=1+1 is dangerous", "mood": "pos", "note": "'=quoted"},
    {"id": "2", "review": "two\nlines, and 中文 😀", "mood": "neg", "note": "+3"},
    {"id": "3", "review": "' plain", "mood": "neg", "note": "＝wide"},
]


def lines_of(records: list[Any]) -> bytes:
    return "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in records).encode()


def table_of(rows: list[list[str]]) -> bytes:
    stream = io.StringIO(newline="")
    csv.writer(stream).writerows(rows)
    return stream.getvalue().encode()


def sheet_of(rows: list[list[Any]]) -> bytes:
    stream = io.BytesIO()
    with xlsxwriter.Workbook(stream, {"strings_to_formulas": False}) as book:
        sheet = book.add_worksheet()
        for number, row in enumerate(rows):
            for at, value in enumerate(row):
                sheet.write(number, at, value)
    return stream.getvalue()


def zip_of(members: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def parquet_of(columns: dict[str, list[Any]]) -> bytes:
    stream = io.BytesIO()
    pq.write_table(pa.table(columns), stream)
    return stream.getvalue()


def taken(content: bytes, filename: str, **wish: Any) -> tuple[dict[str, Any], list[Row | Fault]]:
    report = sniff.inspect(io.BytesIO(content), filename, Wish(**wish), cut=False)
    source = Source(**report["source"])
    return report, list(checks.rows(entries(io.BytesIO(content), source), source))


def exported(rows: list[Any], report: dict[str, Any], name: str, tmp_path: Path) -> bytes:
    source = report["source"]
    label = source["label"] or "label"
    layout = Layout(source["text"], label, report["columns"], source["classes"].get(label, []))
    spool = Spool(tmp_path / "spool", layout)
    spool.fill((row.text, row.label, row.fields or {}) for row in rows)
    path = tmp_path / "out"
    assert write(name, spool, path) == len(rows)
    return path.read_bytes()


@pytest.mark.parametrize(
    ("name", "content", "parsed"),
    [
        ("openai", lines_of(OPENAI), lambda b: [json.loads(one) for one in b.splitlines()]),
        ("labelstudio", json.dumps(STUDIO).encode(), json.loads),
        ("doccano", lines_of(DOCCANO), lambda b: [json.loads(one) for one in b.splitlines()]),
        ("conll", CONLL.encode(), bytes.decode),
        ("vertex", table_of(VERTEX), lambda b: [*csv.reader(io.StringIO(b.decode(), newline=""))]),
        ("autotrain", table_of([["text", "target"], ["a, b", "x"], ["=c", "y"]]), bytes.decode),
        ("csv", table_of([["id", "text", "label"], ["9", "a\nb", "x"], ["8", "c", "y"]]),
         lambda b: [*csv.reader(io.StringIO(b.decode("utf-8-sig"), newline=""))]),
        ("jsonl", lines_of([{"text": "a", "label": "x", "n": 1, "deep": {"a": [None, True]}}]),
         lambda b: [json.loads(one) for one in b.splitlines()]),
        ("json", json.dumps([{"text": "a", "label": "x", "n": 1.5}] * 2).encode(), json.loads),
        ("txt", "one line\n  another 行\n".encode(), bytes.decode),
        ("parquet", parquet_of({"text": ["a", "中"], "label": ["x", "y"], "n": [1, 2]}),
         lambda b: pq.read_table(io.BytesIO(b)).to_pylist()),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_an_export_of_an_import_equals_the_file(name, content, parsed, tmp_path):
    filename = f"a{FORMATS[name].ending}"
    report, rows = taken(content, filename)
    assert report["source"]["format"] == name
    assert not [row for row in rows if isinstance(row, Fault)]
    assert parsed(exported(rows, report, name, tmp_path)) == parsed(content)


def test_a_spreadsheet_keeps_its_values_and_holds_no_formula(tmp_path):
    table = [["text", "label", "n", "yes"], ["=1+1", "x", 3, True], ["a\r\nb 中", "y", 1.5, False]]
    report, rows = taken(sheet_of(table), "a.xlsx")
    content = exported(rows, report, "xlsx", tmp_path)
    again, back = taken(content, "b.xlsx")
    assert (again["columns"], back) == (report["columns"], rows)
    assert b"<f>" not in zipfile.ZipFile(io.BytesIO(content)).read("xl/worksheets/sheet1.xml")
    assert rows[0] == Row(2, "=1+1", "x", {"n": 3, "yes": True})


def test_a_hugging_face_folder_keeps_splits_and_names_of_classes(tmp_path):
    card = (
        "---\ndataset_info:\n  features:\n  - name: text\n    dtype: string\n  - name: label\n"
        "    dtype:\n      class_label:\n        names:\n          '0': neg\n          '1': pos\n"
        "---\n# Reviews\n"
    )
    folder = {
        "r/README.md": card.encode(),
        "r/data/train-00000-of-00001.parquet": parquet_of({"text": ["a", "b"], "label": [1, 0]}),
        "r/data/test-00000-of-00001.parquet": parquet_of({"text": ["c"], "label": [-1]}),
    }
    report, rows = taken(zip_of(folder), "hub.zip")
    assert report["source"]["format"] == "huggingface"
    assert [(row.text, row.label, row.fields) for row in rows] == [
        ("c", None, {"split": "test"}),
        ("a", "pos", {"split": "train"}),
        ("b", "neg", {"split": "train"}),
    ]
    content = exported(rows, report, "huggingface", tmp_path)
    again, back = taken(content, "hub.zip")
    assert again["source"]["classes"] == {"label": ["neg", "pos"]}
    assert sorted(back, key=lambda row: row.text) == sorted(
        [Row(*row[:3], row.fields) for row in rows], key=lambda row: row.text
    )
    archive = zipfile.ZipFile(io.BytesIO(content))
    train = pq.read_table(io.BytesIO(archive.read("data/train-00000-of-00001.parquet")))
    assert train.to_pylist() == [{"text": "a", "label": 1}, {"text": "b", "label": 0}]


@pytest.mark.parametrize("name", sorted(FORMATS.keys() - {"txt", "vertex", "conll"}))
def test_rows_survive_an_export_to_any_format(name, tmp_path):
    _report, rows = taken(lines_of(TABLE), "a.jsonl", text="review", label="mood")
    report = {"source": {"text": "text", "label": "label", "classes": {}}, "columns": []}
    content = exported(rows, report, name, tmp_path)
    wish = {"format": name} if name in sniff.TEXTUAL else {}
    if name == "autotrain":
        wish = {**wish, "text": "text", "label": "target"}
    _again, back = taken(content, f"a{FORMATS[name].ending}", **wish)
    assert [(row.text, row.label) for row in back] == [(row.text, row.label) for row in rows]
    if name not in {"openai", "labelstudio", "huggingface"}:
        assert [row.fields for row in back] == [row.fields for row in rows]


def test_twenty_formulas_are_harmless_in_csv_and_come_back_as_they_were(tmp_path):
    starts = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")
    texts = [f"{start}{word}" for start in starts for word in ("cmd|' /C calc'!A0", "'=1")]
    records = [{"text": text, "label": f"'{text[:5]}", "=name": text} for text in texts]
    report, rows = taken(lines_of(records), "a.jsonl")
    content = exported(rows, report, "csv", tmp_path)
    written = [*csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""))]
    assert not [cell for row in written for cell in row if cell.startswith(starts)]
    _again, back = taken(content, "a.csv")
    assert [row[1:] for row in back] == [row[1:] for row in rows]
    assert len(back) == 20


def test_gzip_and_zip_are_read_without_unpacking_by_hand():
    table = table_of([["text", "label"], ["a", "x"], ["b", "y"]])
    _report, rows = taken(gzip.compress(table), "a.csv.gz")
    assert [row.text for row in rows] == ["a", "b"]
    _report, rows = taken(zip_of({"two.csv": table, "../one.csv": table}), "a.zip")
    assert [(row.line, row.text) for row in rows] == [(2, "a"), (3, "b")] * 2
    mixed = zip_of({"a.csv": table, "b.jsonl": lines_of([{"text": "c"}]), "__MACOSX/._a.csv": b"x"})
    report, rows = taken(mixed, "a.zip", member="b.jsonl")
    assert (report["members"], [row.text for row in rows]) == (["a.csv", "b.jsonl"], ["c"])


def test_a_fault_in_an_archive_names_the_file():
    good, bad = (table_of([["text", "label"], ["a", "x"], [text, "y"]]) for text in ("b", ""))
    _report, rows = taken(zip_of({"good.csv": good, "bad.csv": bad}), "a.zip")
    faults = [row for row in rows if isinstance(row, Fault)]
    assert [(one.line, one.column) for one in faults] == [(3, "bad.csv: text")]


@pytest.mark.parametrize(
    ("name", "record", "code"),
    [
        ("openai", {"messages": [{"role": "assistant", "content": "a"}]}, "messages_wrong"),
        ("doccano", {"text": "a", "label": ["x", "y"]}, "several_labels"),
        ("doccano", {"text": "a", "label": [[0, 9, "LOC"]]}, "span_wrong"),
        ("jsonl", {"text": "a", "n": {"a": {"b": "\ud800"}}}, "half_character"),
    ],
)
def test_a_record_that_would_be_bent_is_refused(name, record, code):
    content = lines_of([record]) if code != "half_character" else json.dumps(record).encode()
    source = Source(name, "utf-8", text="text", label="label")
    (found,) = checks.rows(entries(io.BytesIO(content), source), source)
    assert isinstance(found, Fault)
    assert found.code == code


def test_a_text_file_can_not_hold_a_line_break(tmp_path):
    spool = Spool(tmp_path / "spool")
    spool.fill([("one", None, {}), ("two\nlines", None, {})])
    with pytest.raises(FileRefused, match="txt_line_break"):
        write("txt", spool, tmp_path / "out")
