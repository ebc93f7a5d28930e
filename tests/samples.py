"""Sentences with a rule that a model can learn: written for the tests, ours to commit."""

from __future__ import annotations

import csv
import random
from pathlib import Path

GOOD = ("wonderful", "lovely", "brilliant", "pleasant", "superb", "charming")
BAD = ("dreadful", "boring", "clumsy", "unpleasant", "awful", "shabby")
THINGS = ("sofa", "lamp", "delivery", "table", "service", "chair", "colour", "website", "parcel")
FRAMES = (
    "the {thing} was {word} and i told my friends",
    "what a {word} {thing}",
    "my {thing} turned out to be {word}",
    "we ordered a {thing}, it is {word}",
    "{word} {thing}, as the picture showed",
)


def labelled(rows: int, *, seed: int = 0) -> list[tuple[str, str]]:
    """Return (text, label) pairs, half of each label, all texts different."""
    picker = random.Random(seed)
    found: dict[str, str] = {}
    while len(found) < rows:
        label = "good" if len(found) % 2 else "bad"
        word = picker.choice(GOOD if label == "good" else BAD)
        text = picker.choice(FRAMES).format(thing=picker.choice(THINGS), word=word)
        number = picker.randrange(10_000)
        found.setdefault(f"{text} ({number})", label)
    return list(found.items())


SENTENCES = [text for text, _label in labelled(200)]


def write_csv(path: Path, rows: list[tuple[str, str]]) -> Path:
    """Write a CSV with a header and return its path."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream)
        table.writerow(["text", "label"])
        table.writerows(rows)
    return path
