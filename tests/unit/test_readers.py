"""Reading strangers' files: encodings, dialects, line numbers, faults, refusals."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from training.datasets import checks, encodings, sniff
from training.datasets.checks import Row
from training.datasets.formats.reading import entries
from training.datasets.formats.records import Fault, FileRefused, Source

ZH = [
    ("服务很好，我们非常喜欢", "好评"),
    ("质量太差，完全不值这个价钱", "差评"),
    ("一般般吧", "好评"),
]
ZH_TW = [("服務很好，我們非常喜歡", "好評"), ("品質太差，完全不值這個價錢", "差評")]
JA = [("とても美味しかったです。また行きます", "良い"), ("料理が冷たくて残念でした", "悪い")]
KO = [("이 식당의 서비스는 매우 좋았습니다", "좋음"), ("음식이 차가워서 실망했어요", "나쁨")]
RU = [("Очень хороший ресторан, всё понравилось", "да"), ("Еда холодная, больше не придём", "нет")]
FR = [
    ("Très bon café, l’équipe est agréable", "bon"),
    ("Über die Straße: groß, aber öde", "mauvais"),
]
CZ = [("Příliš žluťoučký kůň", "ano"), ("Zażółć gęślą jaźń", "ne")]
EN = [('He said "hello",\nthen left', "yes"), ("  two spaces; and a | bar", "no"), ("a\tb", "yes")]


def rows_of(content: bytes, source: Source, tmp_path: Path) -> list[Row | Fault]:
    path = tmp_path / "file"
    path.write_bytes(content)
    with path.open("rb") as binary:
        return list(checks.rows(entries(binary, source), source))


def looked_at(content: bytes, filename: str = "a.csv", **wish: object) -> dict[str, object]:
    cut = len(content) > sniff.SAMPLE_BYTES
    return sniff.inspect(
        io.BytesIO(content[: sniff.SAMPLE_BYTES]), filename, sniff.Wish(**wish), cut=cut
    )


def read_as_found(content: bytes, tmp_path: Path, filename: str = "a.csv", **wish: object):
    report = looked_at(content, filename, **wish)
    return rows_of(content, Source(**report["source"]), tmp_path)


def written(rows: list[tuple[str, str]], delimiter: str = ",", end: str = "\r\n") -> str:
    import csv

    stream = io.StringIO(newline="")
    writer = csv.writer(stream, delimiter=delimiter, lineterminator=end)
    writer.writerow(["text", "label"])
    writer.writerows(rows)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("codec", "rows", "chosen"),
    [
        ("utf-8", EN, None),
        ("utf-8-sig", ZH, None),
        ("utf-16", ZH, None),
        ("utf-16-le", EN, None),
        ("utf-16-be", EN, None),
        ("gb18030", ZH, None),
        ("big5", ZH_TW, None),
        ("shift_jis", JA, None),
        ("euc_jp", JA, None),
        ("euc_kr", KO, None),
        ("cp1251", RU, None),
        ("koi8_r", RU, None),
        ("cp1252", FR, None),
        ("cp1250", CZ, "windows-1250"),
        ("utf-16-le", ZH, "utf-16-le"),
    ],
)
def test_each_encoding_round_trips_exactly(codec, rows, chosen, tmp_path):
    wish = {"encoding": chosen} if chosen else {}
    found = read_as_found(written(rows).encode(codec), tmp_path, **wish)
    assert [(row.text, row.label) for row in found] == rows


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|"])
def test_each_dialect_and_line_end_round_trips_exactly(delimiter, end, tmp_path):
    rows = [("a, b; c | d\te", "x"), ('quote " here', "y"), ("plain", "x"), ("more", "y")]
    found = read_as_found(written(rows, delimiter, end).encode(), tmp_path)
    assert [(row.text, row.label) for row in found] == rows
    assert [row.line for row in found] == [2, 3, 4, 5]


def test_a_record_over_several_lines_is_named_by_the_line_it_starts_on(tmp_path):
    content = b'text,label\n"one\ntwo\nthree",a\nfour,b\n"five\nsix",c,extra\nseven,d\n'
    found = read_as_found(content, tmp_path)
    assert [one.line for one in found] == [2, 5, 6, 8]
    assert isinstance(found[2], Fault)
    assert found[2].code == "field_count"


def test_five_planted_faults_are_each_reported_with_line_column_and_reason(tmp_path):
    lines = [
        b"text,label",
        b"good film,pos",
        b",neg",  # 3: no text
        b'"spans',  # 4-5: fine
        b'two lines",pos',
        b"one,two,three",  # 6: too many fields
        b'"never closed,neg',  # 7
        b"caf\xff\xfe bad bytes,pos",  # 8
        b"nul \x00 inside,neg",  # 9
        b"last one,neg",
    ]
    found = read_as_found(b"\n".join(lines), tmp_path)
    faults = [(one.line, one.column, one.code) for one in found if isinstance(one, Fault)]
    assert faults == [
        (3, "text", "missing_text"),
        (6, "", "field_count"),
        (7, "text", "quote"),
        (8, "text", "undecodable"),
        (9, "text", "nul"),
    ]
    assert [one.text for one in found if isinstance(one, Row)] == [
        "good film",
        "spans\ntwo lines",
        "last one",
    ]


def test_an_open_quote_costs_one_row_and_not_the_rest_of_the_file(tmp_path):
    body = "".join(f"sentence number {n},pos\n" for n in range(5_000))
    found = read_as_found(f'text,label\n"open,neg\n{body}'.encode(), tmp_path)
    assert sum(isinstance(one, Row) for one in found) == 5_000
    assert [one.line for one in found if isinstance(one, Fault)] == [2]


def test_a_text_that_is_too_long_and_a_huge_cell_are_refused_by_row(tmp_path):
    long, huge = "x" * (checks.MAX_TEXT + 1), "y" * (1024**2 + 5)
    content = f"text,label\n{long},a\n{huge},b\nfine,a\n".encode()
    source = Source("csv", "utf-8", text="text", label="label")
    found = rows_of(content, source, tmp_path)
    assert [getattr(one, "code", None) for one in found] == ["too_long", "cell_too_large", None]


def test_json_lines_keep_their_line_numbers_and_name_what_is_wrong(tmp_path):
    lines = [
        '{"text": "one", "label": 1}',
        '{"text": "two", "label": true}',
        '{"text": 3, "label": "x"}',
        "",
        '{"text": "broken"',
        '["not", "an object"]',
        '{"text": "half \\ud800", "label": "x"}',
        '{"text": "no label"}',
        '{"deep": ' + "[" * 100_000 + "]" * 100_000 + "}",
    ]
    found = read_as_found("\n".join(lines).encode(), tmp_path, "a.jsonl")
    got = [(one.line, getattr(one, "code", None) or one.label) for one in found]
    assert got == [
        (1, "1"),
        (2, "true"),
        (3, "wrong_type"),
        (5, "bad_json"),
        (6, "not_object"),
        (7, "half_character"),
        (8, None),
        (9, "bad_json"),
    ]


@pytest.mark.parametrize("indent", [None, 2])
def test_a_json_list_is_streamed_with_line_numbers(indent, tmp_path):
    rows = [{"text": f"sentence {n} " * 20, "label": "ab"[n % 2]} for n in range(5_000)]
    content = json.dumps(rows, indent=indent).encode()
    found = read_as_found(content, tmp_path, "a.json")
    assert [one.text for one in found] == [row["text"] for row in rows]
    assert found[1].line == (1 if indent is None else 6)


def test_a_broken_json_list_is_refused_with_the_line(tmp_path):
    content = b'[\n{"text": "a", "label": "x"},\n{"text": "b" "label": "y"}\n]'
    source = Source("json", "utf-8", text="text", label="label")
    with pytest.raises(FileRefused) as refusal:
        rows_of(content, source, tmp_path)
    assert (refusal.value.code, refusal.value.data) == ("json_broken", {"line": 3})


@pytest.mark.parametrize(
    ("content", "filename", "code"),
    [
        (b"", "a.csv", "empty_file"),
        (b"\xef\xbb\xbf \n\n", "a.csv", "empty_file"),
        (b"text,label\n", "a.csv", "header_only"),
        (b"PK\x03\x04rest", "a.zip", "archive_broken"),
        (b"PK\x03\x04rest", "a.xlsx", "archive_broken"),
        (b"\x1f\x8brest", "a.csv.gz", "archive_broken"),
        (b"PAR1rest", "a.parquet", "parquet_broken"),
        (b"%PDF-1.7", "a.pdf", "pdf_file"),
        (bytes(range(256)) * 40, "a.csv", "binary_file"),
        (b"x," * 600_000, "a.csv", "first_line_long"),
        (b"a," * 2_500 + b"b\n" + b"1," * 2_500 + b"2\n", "a.csv", "too_many_columns"),
        (b'{"data": [\n{"text": "a"}\n]}', "a.json", "json_not_list"),
        (b"[]", "a.json", "no_rows"),
    ],
)
def test_a_file_of_no_use_is_refused_by_name(content, filename, code):
    with pytest.raises(FileRefused) as refusal:
        looked_at(content, filename)
    assert refusal.value.code == code


def test_columns_are_guessed_by_name_and_by_shape():
    report = looked_at(
        b"id,kind,what they said\n1,a,the lamp is broken\n2,b,thank you so much\n3,b,fine\n"
    )
    assert report["source"]["text"] == "what they said"
    assert report["source"]["label"] == "kind"
    assert report["columns"] == ["id", "kind", "what they said"]


def test_a_file_without_a_header_gets_numbered_columns(tmp_path):
    content = b"the lamp is broken,bad\nthank you so much,good\nvery nice,good\nnot nice,bad\n"
    report = looked_at(content)
    assert report["source"]["header"] is False
    assert report["columns"] == ["column 1", "column 2"]
    assert len(rows_of(content, Source(**report["source"]), tmp_path)) == 4


def test_a_column_of_prose_is_one_column():
    content = b"text\nOne, two, three.\nNo comma here.\nFour; five, six.\nSeven.\n"
    report = looked_at(content)
    assert report["columns"] == ["text"]
    assert report["source"]["label"] is None


def test_every_codec_exists():
    assert all("x".encode(codec) for codec in encodings.CODECS.values())
