"""How long the texts are, and how many a model would read to the end. Pure.

For workers only: the web image has neither the tokenizer nor its library.
"""

from __future__ import annotations

from collections import Counter
from functools import cache
from pathlib import Path

from tokenizers import Tokenizer

from training.datasets.health.bins import EDGES
from training.datasets.health.finder import Found, Row


def _bin(length: int) -> int:
    return next((at for at, edge in enumerate(EDGES) if length <= edge), len(EDGES))


@cache
def _tokenizer(path: Path) -> Tokenizer:
    """Return the tokenizer of a file, which counts every token of a text."""
    found = Tokenizer.from_file(str(path))
    found.no_truncation()
    found.no_padding()
    return found


class Lengths:
    """The check of lengths in characters and in tokens of the default base model."""

    def __init__(self, tokenizer: Path, limit: int) -> None:
        """Load the tokenizer.

        Args:
            tokenizer: A tokenizer.json.
            limit: Tokens that the model reads, its special ones included.
        """
        self.tokenizer = _tokenizer(tokenizer)
        self.limit = limit
        self.characters: Counter[int] = Counter()
        self.tokens: Counter[int] = Counter()
        self.rows = self.cut = self.longest = self.total = 0

    def see(self, row: Row) -> Found | None:
        """Return the number of tokens of a row that would be cut."""
        tokens = len(self.tokenizer.encode(row.text).ids)
        self.rows += 1
        self.total += len(row.text)
        self.characters[_bin(len(row.text))] += 1
        self.tokens[_bin(tokens)] += 1
        self.longest = max(self.longest, tokens)
        if tokens <= self.limit:
            return None
        self.cut += 1
        return {"tokens": tokens}

    def result(self) -> Found:
        """Return both histograms, and the rows that would be cut."""
        bins = range(len(EDGES) + 1)
        return {
            "rows": self.cut,
            "limit": self.limit,
            "longest": self.longest,
            "mean": round(self.total / max(1, self.rows), 1),
            "characters": [self.characters[at] for at in bins],
            "tokens": [self.tokens[at] for at in bins],
        }
