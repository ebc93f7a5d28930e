"""Rows that follow a rule a tiny model can learn."""

import csv
import random
from collections.abc import Sequence
from pathlib import Path

WORDS = {
    "good": ["splendid", "lovely", "bright", "warm", "clever"],
    "bad": ["dreary", "clumsy", "cold", "stale", "awful"],
    "plain": ["average", "usual", "middling", "ordinary", "common"],
}
FILLERS = ["the", "film", "was", "so", "and", "its", "story", "a", "little", "in", "every", "scene"]

Row = tuple[str, str]


def make_rows(count: int, *, labels: Sequence[str] = ("good", "bad"), seed: int = 0) -> list[Row]:
    """Return distinct (text, label) rows, labels in turn."""
    source = random.Random(seed)
    rows: dict[str, str] = {}
    while len(rows) < count:
        label = labels[len(rows) % len(labels)]
        words = source.choices(FILLERS, k=source.randint(2, 7)) + source.choices(WORDS[label], k=2)
        source.shuffle(words)
        rows.setdefault(" ".join(words), label)
    return list(rows.items())


def write_csv(path: Path, rows: Sequence[Sequence[str]], header: Sequence[str]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)
    return path
