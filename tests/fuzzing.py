"""Good files of each format, spoilt byte by byte, and the confined child that reads them all.

`python -m tests.fuzzing SPOILT SEED NAME ...` spoils each named file SPOILT times and runs every
copy through `training.datasets.parse` under its limits. It says what it is about to read, so that
one that ends the child is known, and a JSON line on each that was neither refused with a known
code nor taken as rows that can be stored.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import random
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.conf import settings

from tests.unit.test_formats import (
    CONLL,
    DOCCANO,
    OPENAI,
    STUDIO,
    VERTEX,
    lines_of,
    parquet_of,
    sheet_of,
    table_of,
    zip_of,
)
from training.datasets import checks, parse, reasons
from training.datasets.confinement import confine

SECONDS = 60
"""Of processor time: what a small file may take, for all files of a child."""
FILE_SECONDS = 5.0
ROWS = [["id", "text", "label"], *([str(n), f'case {n}, "wait",\n中文 😀', "xyz"[n % 3]]
                                   for n in range(30))]  # fmt: skip
TABLE = table_of(ROWS)
RECORDS = [
    {"text": f"row {n} 中文", "label": "ab"[n % 2], "n": n, "deep": {"a": [None, True, 1.5]}}
    for n in range(20)
]
COLUMNS = {
    "text": [f"row {n} 中文" for n in range(40)], "label": list("xy") * 20, "n": list(range(40))
}  # fmt: skip
CARD = b"""---
dataset_info:
  features:
  - name: label
    dtype:
      class_label:
        names:
          '0': neg
          '1': pos
---
# Reviews
"""


def _ods(rows: list[list[str]]) -> bytes:
    """Return a spreadsheet of OpenDocument."""
    space = "urn:oasis:names:tc:opendocument:xmlns"
    spaces = " ".join(f'xmlns:{one}="{space}:{one}:1.0"' for one in ("office", "table", "text"))
    cell = '<table:table-cell office:value-type="string"><text:p>{}</text:p></table:table-cell>'
    lines = ("".join(cell.format(value) for value in row) for row in rows)
    body = "".join(f"<table:table-row>{line}</table:table-row>" for line in lines)
    content = (
        f'<?xml version="1.0"?><office:document-content {spaces}><office:body><office:spreadsheet>'
        f'<table:table table:name="a">{body}</table:table>'
        "</office:spreadsheet></office:body></office:document-content>"
    )
    kind = b"application/vnd.oasis.opendocument.spreadsheet"
    return zip_of({"mimetype": kind, "content.xml": content.encode(), "a.xml": b"<a/>"})


GOOD: dict[str, tuple[str, Callable[[], bytes]]] = {
    "csv": ("a.csv", lambda: TABLE),
    "csv in utf-16": ("a.csv", lambda: TABLE.decode().encode("utf-16")),
    "csv in gb18030": ("a.csv", lambda: TABLE.decode().encode("gb18030")),
    "tsv": ("a.tsv", lambda: TABLE.replace(b",", b"\t")),
    "txt": ("a.txt", lambda: "one line\n  another 行\n".encode() * 9),
    "jsonl": ("a.jsonl", lambda: lines_of(RECORDS)),
    "json": ("a.json", lambda: json.dumps(RECORDS, indent=1).encode()),
    "openai": ("a.jsonl", lambda: lines_of(OPENAI)),
    "labelstudio": ("a.json", lambda: json.dumps(STUDIO).encode()),
    "doccano": ("a.jsonl", lambda: lines_of(DOCCANO)),
    "vertex": ("a.csv", lambda: table_of(VERTEX)),
    "autotrain": ("a.csv", lambda: table_of([["text", "target"], ["a, b", "x"], ["c", "y"]])),
    "conll": ("a.conll", CONLL.encode),
    "parquet": ("a.parquet", lambda: parquet_of(COLUMNS)),
    "xlsx": ("a.xlsx", lambda: sheet_of(ROWS)),
    "ods": ("a.ods", lambda: _ods([["text", "label"], ["one 中", "x"], ["two", "y"]])),
    "gzip": ("a.csv.gz", lambda: gzip.compress(TABLE, mtime=0)),
    "zip": ("a.zip", lambda: zip_of({"a.csv": TABLE, "b.csv": TABLE})),
    "huggingface": ("a.zip", lambda: zip_of({
        "r/README.md": CARD, "r/data/train.csv": table_of([["text", "label"], ["a", "0"]]),
        "r/data/test-0.parquet": parquet_of({"text": ["b"], "label": [1]})})),
}  # fmt: skip
PACKED = frozenset({"xlsx", "ods", "zip", "huggingface", "gzip"})
"""Also spoilt inside, under good checksums: else the unpacking refuses nearly all."""
_ODD = (b"\x00", b"\xff", b'"', b"\n", b"\r", b"[" * 50, b"{", b"\xed\xa0\x80", b"1e999", b"&a;",
        b"\xff\xff\xff\x7f", b"\x00\x00\x00\x80", b"<", b"\\u0000", b"-1", b"]", b",")  # fmt: skip


def spoil(content: bytes, chance: random.Random) -> bytes:
    """Return a copy with one to four faults: bytes turned, cut, doubled, moved or put in."""
    data = bytearray(content)
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        at = chance.randrange(len(data) + 1)
        to = min(len(data), at + chance.choice((1, 2, 8, 64, 700)))
        piece = data[at:to]
        match chance.randrange(7):
            case 0 | 1 if piece:
                data[at] ^= 1 << chance.randrange(8)
            case 2:
                del data[at:to]
            case 3:
                data[to:to] = piece
            case 4:
                data[at:at] = chance.choice(_ODD)
            case 5:
                data[at : at + 4] = chance.choice(_ODD)[:4]
            case 6 if chance.random() < 0.3:
                del data[at:]
            case _:
                place = chance.randrange(len(data) + 1)
                data[place:place] = piece
    return bytes(data)


def spoilt(name: str, number: int, seed: str) -> bytes:
    """Return one spoilt copy of a good file; always the same for the same three."""
    chance = random.Random(f"{seed} {name} {number}")
    content = GOOD[name][1]()
    if name not in PACKED or number % 2 == 0:
        return spoil(content, chance)
    if name == "gzip":
        return gzip.compress(spoil(gzip.decompress(content), chance), mtime=0)
    archive = zipfile.ZipFile(io.BytesIO(content))
    members = {one: archive.read(one) for one in archive.namelist()}
    victim = chance.choice(sorted(members))
    return zip_of({**members, victim: spoil(members[victim], chance)})


def said(mode: str, path: Path, options: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what the parser's program says about a file."""
    with contextlib.redirect_stdout(io.StringIO()) as stream:
        parse.main([mode, str(path), json.dumps({"cpu_seconds": 0, **options})])
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def fault_of(path: Path, filename: str) -> str:
    """Return what is wrong with the outcome for a file, '' for a good one."""
    (report,) = said("inspect", path, {"filename": filename, "cut": False, "wish": {}})
    batches = [] if "refused" in report else said("rows", path, {"source": report["source"]})
    for answer in [report, *batches]:
        if "refused" in answer:
            code = answer["refused"]
            if code not in reasons.FILE or code == "parser_died":
                return f"refused with {code}"
            reasons.file_sentence(code, answer["data"])
            continue
        faults = report["refused_rows"] if answer is report else answer["faults"]
        for line, column, code, _value, detail in faults:
            if code not in reasons.ROW or line < 1 or not isinstance(column, str):
                return f"a fault {code} at {line}, {column!r}"
            reasons.row_sentence(code, detail)
        for line, text, label, fields in answer.get("rows", []) if answer is not report else []:
            if line < 1 or not 0 < len(text) <= checks.MAX_TEXT or "\x00" in text:
                return f"a row at {line} that can't be stored"
            if label is not None and not 0 < len(label) <= checks.MAX_LABEL:
                return f"a label at {line} that can't be stored"
            json.dumps([text, label, fields], ensure_ascii=False).encode()
    return ""


def main(arguments: list[str]) -> int:
    """Read `count` spoilt copies of each named file."""
    count, seed, *names = arguments
    confine(SECONDS + int(count) * len(names) // 20)
    settings.configure(USE_I18N=False)  # sentences as they are written
    parse.confine = lambda _seconds: True  # type: ignore[assignment]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        for name in names:
            for number in range(int(count)):
                print(f"{name} {number}", file=sys.stderr, flush=True)
                path.write_bytes(spoilt(name, number, seed))
                began = time.process_time()
                try:
                    wrong = fault_of(path, GOOD[name][0])
                except BaseException as error:  # noqa: BLE001 - a panic of a Rust library is no Exception
                    wrong = f"{type(error).__name__}: {error}"[:300]
                if not wrong and time.process_time() - began > FILE_SECONDS:
                    wrong = f"{time.process_time() - began:.1f} s of processor time"
                if wrong:
                    print(json.dumps([name, number, wrong]), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
