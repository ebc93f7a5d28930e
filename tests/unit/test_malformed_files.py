"""Malformed files: each is refused with a reason, none crashes, none gets over the limits."""

from __future__ import annotations

import gzip
import io
import json
import os
import random
import socket
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.unit.test_formats import lines_of, parquet_of, sheet_of, table_of, zip_of
from training.datasets import checks, reasons, sniff
from training.datasets.formats.reading import entries
from training.datasets.formats.records import Fault, FileRefused, Source
from training.datasets.previews import Wish
from training.datasets.services import child

GOOD = table_of([["text", "label"], ["a", "x"], ["b", "y"]])
SHEET = sheet_of([["text", "label"], ["a", "x"], ["b", "y"]])
PARQUET = parquet_of({"text": ["a", "b"], "label": ["x", "y"]})
PACKED = gzip.compress(GOOD)


def locked_zip() -> bytes:
    content = bytearray(zip_of({"a.csv": GOOD}))
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(mark) + at] |= 1
    return bytes(content)


def lying_zip() -> bytes:
    """A directory that names 10 bytes where a megabyte comes out."""
    content = bytearray(zip_of({"a.csv": b"text\n" + b"x" * 10**6}))
    for mark, at in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        struct.pack_into("<I", content, content.index(mark) + at, 10)
    return bytes(content)


def bomb_sheet() -> bytes:
    return zip_of({"xl/workbook.xml": b"<workbook/>", "xl/a.xml": b"A" * 70 * 1024**2})


def entity_sheet() -> bytes:
    archive = zipfile.ZipFile(io.BytesIO(SHEET))
    members = {name: archive.read(name) for name in archive.namelist()}
    name = "xl/worksheets/sheet1.xml"
    entity = b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]>'
    members[name] = members[name].replace(b"?>", b"?>" + entity, 1)
    return zip_of(members)


def parquet_bomb() -> bytes:
    stream = io.BytesIO()
    word = "x" * 100_000
    column = pa.DictionaryArray.from_arrays(pa.array([0] * 20_000, pa.int32()), pa.array([word]))
    pq.write_table(pa.table({"text": column}), stream)
    return stream.getvalue()


def cut(content: bytes, part: float = 0.5) -> bytes:
    return content[: int(len(content) * part)]


def broken_gzip() -> bytes:
    content = bytearray(gzip.compress(random.Random(0).randbytes(3000)))
    content[1000] ^= 0xFF
    return bytes(content[:-8])


BOMB = b"text,label\n" + (b"a" * 4000 + b",b\n") * 20 * 1024
WIDE = {str(number): [1] for number in range(2001)}
NOISE = random.Random(2).randbytes(4000)
CARD = b"---\na: [\n---\n"
TAR = b"a.csv".ljust(257, b"\0") + b"ustar\x0000" + b"\0" * 248 + GOOD.ljust(512, b"\0")
NESTED = b'{"text": ' + b"[" * 3000 + b"]" * 3000 + b"}\n"
FILES: dict[str, tuple[str, Callable[[], bytes]]] = {
    "nothing": ("a.csv", lambda: b""),
    "blank lines": ("a.csv", lambda: b"\n\n\r\n"),
    "a mark alone": ("a.csv", lambda: b"\xef\xbb\xbf"),
    "zeros": ("a.csv", lambda: b"\0" * 5000),
    "noise": ("a.csv", lambda: random.Random(1).randbytes(20_000)),
    "every byte": ("a.csv", lambda: bytes(range(256)) * 40),
    "a header alone": ("a.csv", lambda: b"text,label\n"),
    "a first line of 2 MB": ("a.csv", lambda: b"x" * 2 * 1024**2),
    "2,500 columns": ("a.csv", lambda: (b"a," * 2500 + b"b\n") * 2),
    "a million columns": ("a.csv", lambda: b"a," * 10**6 + b"b\n"),
    "2,500 columns of json": ("a.jsonl", lambda: lines_of([{f"c{n}": 1 for n in range(2500)}])),
    "a cell of 2 MB": ("a.csv", lambda: b'text,label\n"' + b"x" * 2 * 1024**2 + b'",a\n'),
    "open quotes": ("a.csv", lambda: b'"text,label\n' * 30),
    "utf-16 cut": ("a.csv", lambda: b"\xff\xfe" + b"\0\xd8" * 2000),
    "json that isn't": ("a.json", lambda: b"[{text: 1}]"),
    "a json object": ("a.json", lambda: b'{"a": [{"text": "b"}]\n}'),
    "a json list of nothing": ("a.json", lambda: b"[\n]"),
    "a json list cut": ("a.json", lambda: cut(json.dumps([{"text": "a"}] * 9).encode())),
    "a json list with a tail": ("a.json", lambda: b'[{"text": "a"} {"text": "b"}]'),
    "3,000 deep": ("a.jsonl", lambda: NESTED * 3),
    "a 3,000 deep list": ("a.json", lambda: b'[{"text": ' + b"[" * 3000 + b"]" * 3000 + b"}]"),
    "lines that are no json": ("a.jsonl", lambda: b'{"text": \n' * 30),
    "numbers by lines": ("a.jsonl", lambda: b'{"text": 1}\n' * 5),
    "numbers without end": ("a.jsonl", lambda: b'{"text": "a", "n": 1e999}\n' * 3),
    "constants": ("a.jsonl", lambda: b'{"text": NaN}\n' * 5),
    "NUL in json": ("a.jsonl", lambda: b'{"text": "a\\u0000b"}\n'),
    "half characters": ("a.jsonl", lambda: b'{"text": "\\ud800"}\n' * 3),
    "nested 40 times": ("a.jsonl", lambda: b'{"text": "a", "n": %s}\n' % (b"[" * 40 + b"]" * 40)),
    "fields of 2 MB": ("a.jsonl", lambda: lines_of([{"text": "a", "n": ["x" * 100] * 20_000}])),
    "texts too long": ("a.jsonl", lambda: lines_of([{"text": "x" * 100_001}])),
    "labels too long": ("a.jsonl", lambda: lines_of([{"text": "a", "label": "x" * 201}])),
    "texts empty": ("a.csv", lambda: b"text,label\n ,a\n,b\n"),
    "other columns": ("a.openai.jsonl", lambda: lines_of([{"messages": [{"role": "a"}]}] * 2)),
    "spans beside": ("a.jsonl", lambda: lines_of([{"text": "a", "label": [[5, 9, "X"]]}])),
    "tasks without data": ("a.json", lambda: b'[{"data": {}, "annotations": []}]'),
    "tokens without tags": ("a.conll", lambda: b"EU\nrejects\n\nPeter\n"),
    "pdf": ("a.csv", lambda: b"%PDF-1.7 ..."),
    "png": ("a.csv", lambda: b"\x89PNG\r\n\x1a\n..."),
    "7z": ("a.csv", lambda: b"7z\xbc\xaf\x27\x1c..."),
    "rar": ("a.csv", lambda: b"Rar!\x1a\x07..."),
    "zstd": ("a.csv", lambda: b"\x28\xb5\x2f\xfd..."),
    "tar": ("a.csv", lambda: TAR),
    "tar in gzip": ("a.tgz", lambda: gzip.compress(TAR)),
    "gzip of noise": ("a.csv.gz", broken_gzip),
    "gzip cut": ("a.csv.gz", lambda: cut(PACKED, 0.6)),
    "gzip of nothing": ("a.csv.gz", lambda: gzip.compress(b"")),
    "gzip in gzip": ("a.csv.gz", lambda: gzip.compress(PACKED)),
    "a gzip bomb": ("a.csv.gz", lambda: gzip.compress(BOMB, 2)),
    "zip cut": ("a.zip", lambda: cut(zip_of({"a.csv": GOOD}))),
    "zip without files": ("a.zip", lambda: zip_of({})),
    "zip of programs": ("a.zip", lambda: zip_of({"a.exe": b"MZ", "b.pkl": b"\x80"})),
    "zip of images": ("a.zip", lambda: zip_of({"cat/1.png": b"\x89PNG", "dog/2.jpg": b"\xff\xd8"})),
    "zip of zips": ("a.zip", lambda: zip_of({"a.zip": zip_of({"a.csv": GOOD})})),
    "zip of disguised zips": ("a.zip", lambda: zip_of({"a.csv": zip_of({"a.csv": GOOD})})),
    "zip of 1,001 files": ("a.zip", lambda: zip_of({f"{n}.csv": b"a" for n in range(1001)})),
    "zip with a password": ("a.zip", locked_zip),
    "zip that lies": ("a.zip", lying_zip),
    "a zip bomb": ("a.zip", lambda: zip_of({"a.csv": BOMB})),
    "zip with a broken card": ("a.zip", lambda: zip_of({"README.md": CARD, "train.csv": GOOD})),
    "xlsx cut": ("a.xlsx", lambda: cut(SHEET)),
    "an xlsx bomb": ("a.xlsx", bomb_sheet),
    "xlsx with entities": ("a.xlsx", entity_sheet),
    "xlsx without rows": ("a.xlsx", lambda: sheet_of([])),
    "xlsx without sheets": ("a.xlsx", lambda: zip_of({"xl/workbook.xml": b"<workbook/>"})),
    "an old workbook of noise": ("a.xls", lambda: b"\xd0\xcf\x11\xe0" + NOISE),
    "parquet cut": ("a.parquet", lambda: cut(PARQUET)),
    "parquet of noise": ("a.parquet", lambda: b"PAR1" + NOISE + b"PAR1"),
    "parquet without rows": ("a.parquet", lambda: parquet_of({"a": pa.array([], pa.string())})),
    "a parquet bomb": ("a.parquet", parquet_bomb),
    "parquet of 2,001 columns": ("a.parquet", lambda: parquet_of(WIDE)),
}  # fmt: skip


DEEP_RUN = bool(os.environ.get("MODELYARD_DEEP"))
CHILDREN = {"zip that lies", "a parquet bomb", "an xlsx bomb", "a 3,000 deep list", "noise"}
"""Read by a child as the platform does; the others are, too, in the deep run."""


def answers(mode: str, path: Path, options: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what a child says; the light files are read here, by what a child runs."""
    if DEEP_RUN or path.parent.name in CHILDREN:
        return list(child.answers(mode, path, {"cpu_seconds": 60, **options}))
    with path.open("rb") as binary:
        if mode == "inspect":
            return [sniff.inspect(binary, options["filename"], Wish(), cut=False)]
        source = Source(**options["source"])
        rows = list(checks.rows(entries(binary, source), source))
    faults = [row for row in rows if isinstance(row, Fault)]
    return [{"rows": rows[len(faults) :], "faults": faults}]


def outcome(name: str, folder: Path) -> tuple[str, dict[str, Any], int]:
    """Look at a file and read it; return the code of its refusal, data, and rows taken."""
    filename, made = FILES[name]
    folder.mkdir()
    path = folder / "file"
    path.write_bytes(made())
    taken, faults = 0, 0
    try:
        (report,) = answers("inspect", path, {"filename": filename, "cut": False, "wish": {}})
        for batch in answers("rows", path, {"source": report["source"]}):
            taken += len(batch["rows"])
            faults += len(batch["faults"])
    except FileRefused as refusal:
        return refusal.code, refusal.data, 0
    return ("nothing_imported" if faults and not taken else ""), {"rows": faults}, taken


def test_each_malformed_file_is_refused_with_a_sentence_and_none_is_half_imported(tmp_path):
    assert len(FILES) >= 60
    found = {name: outcome(name, tmp_path / name) for name in FILES}
    without = {name: one for name, one in found.items() if one[0] not in reasons.FILE or one[2]}
    assert without == {}
    said = {name: reasons.file_sentence(code, data) for name, (code, data, _n) in found.items()}
    assert all("%(" not in words and words for words in said.values())
    assert [name for name, one in found.items() if one[0] == "parser_died"] == []


FAULTS = [
    (b"", "text", "missing_text"), (b"  ", "text", "missing_text"),
    (b"a\x00b", "text", "nul"), (b"caf\xff\xfe", "text", "undecodable"),
    (b"\xc3(", "text", "undecodable"), (b"x" * 100_001, "text", "too_long"),
]  # fmt: skip


def test_thirty_seven_planted_faults_are_each_found_at_their_line_and_the_rest_is_taken(tmp_path):
    chance, lines, planted = random.Random(37), [b"id,text,label"], []
    line, good = 2, 0
    kinds = [
        *FAULTS * 4,
        *["label_too_long", "field_count", "quote", "label_nul"] * 3,
        "field_count",
    ]
    assert len(kinds) == 37
    chance.shuffle(kinds)
    for kind in kinds:
        for number in range(chance.randint(1, 9)):
            lines.append(f'{number},"two\nlines, 中文 {line}",ok'.encode())
            line, good = line + 2, good + 1
        if isinstance(kind, tuple):
            lines.append(b"1," + kind[0] + b",ok")
            planted.append((line, kind[1], kind[2]))
        else:
            broken = {
                "label_too_long": (b"1,fine," + b"y" * 201, "label", "label_too_long"),
                "field_count": (b"1,fine,ok,more", "", "field_count"),
                "quote": (b'1,"a" b,ok', "", "quote"),
                "label_nul": (b"1,fine,o\x00k", "label", "nul"),
            }[kind]
            lines.append(broken[0])
            planted.append((line, *broken[1:]))
        line += 1
    path = tmp_path / "file"
    path.write_bytes(b"\n".join(lines) + b"\n")
    source = {"format": "csv", "encoding": "utf-8", "text": "text", "label": "label"}
    batches = list(child.answers("rows", path, {"cpu_seconds": 60, "source": source}))
    found = [(line, column, code) for each in batches for line, column, code, *_ in each["faults"]]
    assert found == planted
    assert sum(len(each["rows"]) for each in batches) == good
    assert all(row[3] == {"id": row[3]["id"]} for each in batches for row in each["rows"])


CONNECT = """
import socket, sys
from training.datasets.confinement import confine
print(confine(5, namespace={namespace}), flush=True)
try:
    socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=2)
    print("connected")
except OSError as error:
    print("unreachable")
"""


@pytest.mark.parametrize("namespace", [True, False])
def test_a_child_reaches_no_server_even_on_the_same_machine(namespace):
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.3)
        port = str(server.getsockname()[1])
        done = subprocess.run(
            [sys.executable, "-c", CONNECT.format(namespace=namespace), port],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert "connected" not in done.stdout
        assert done.returncode == 77, done.stderr
        with pytest.raises(TimeoutError):
            server.accept()


def test_a_child_that_takes_too_much_memory_or_time_ends_by_itself():
    spend = "from training.datasets.confinement import confine; confine(1); {}"
    for words in ("b' ' * (3 * 1024**3)", "any(iter(int, 1))"):
        done = subprocess.run(
            [sys.executable, "-c", spend.format(words)], capture_output=True, check=False
        )
        assert done.returncode != 0


def test_limits_grow_with_the_file_so_that_five_gigabytes_are_no_bomb():
    assert child.cpu_seconds(0) == 60
    assert child.cpu_seconds(5 * 1024**3) == 60 + 1024
    assert child.cpu_seconds(5 * 1024**2, "a.csv.gz") == 60 + child.PACKED
