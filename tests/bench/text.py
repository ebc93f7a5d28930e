"""The text of the benches: the demo's sample, else (without a network) the tests' sentences."""

from __future__ import annotations

import csv
from pathlib import Path

from modelyard.embedded.errors import StackError
from modelyard.launch import sample
from tests.bench.tutorial import Row, shuffled
from tests.samples import labelled

ROOT = Path(__file__).resolve().parents[2]
TRAIN, VALIDATION = 1520, 180
"""95 updates an epoch: two epochs are what the preset "balanced" does with so many rows."""


def rows() -> list[Row]:
    """Return 2,500 texts with labels in a fixed order."""
    try:
        path = sample.fetch(ROOT / "var" / "sample")
    except StackError as error:
        print(f"{error}\nThe benches use made-up sentences instead; the figures differ.")
        return labelled(sample.ROWS)
    with path.open(newline="", encoding="utf-8") as stream:
        return shuffled([(row["text"], row["label"]) for row in csv.DictReader(stream)], seed=0)


def write_split(path: Path, found: list[Row]) -> None:
    """Write the CSV that the engine reads, with a column that says each row's split."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        out = csv.writer(stream)
        out.writerow(["text", "label", "split"])
        for place, (text, label) in enumerate(found):
            held_out = "validation" if place < TRAIN + VALIDATION else "test"
            out.writerow([text, label, "train" if place < TRAIN else held_out])
