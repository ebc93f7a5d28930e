"""An engine without a model: it sleeps, and does on request what a bad model does."""

from __future__ import annotations

import json
import os
import signal
import time
import zlib
from pathlib import Path

MILLISECONDS_A_TEXT = 2.0


def token(word: str) -> int:
    """A stable number for a word; 0 is left free."""
    return zlib.crc32(word.encode()) or 1


POISON, FAULTY, NAP = token("poison"), token("faulty"), token("nap")


class SleepEngine:
    """`poison` ends the process, `faulty` raises, `nap` takes a second and a half."""

    def __init__(self, folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text("utf-8"))
        self.labels: list[str] = config["labels"]
        self.shift: float = config.get("shift", 0.0)
        self.milliseconds: float = config.get("milliseconds", MILLISECONDS_A_TEXT)

    def encode(self, texts: list[str]) -> tuple[list[list[int]], list[bool]]:
        rows = [[token(word) for word in text.split()][:64] for text in texts]
        return rows, [len(text.split()) > 64 for text in texts]

    def logits(self, rows: list[list[int]]) -> list[list[float]]:
        seen = {number for row in rows for number in row}
        if POISON in seen:
            os.kill(os.getpid(), signal.SIGKILL)
        if FAULTY in seen:
            raise ValueError("this text cannot be computed")
        if NAP in seen:
            time.sleep(1.5)
        time.sleep(self.milliseconds * len(rows) / 1000)
        return [self.answer(row) for row in rows]

    def answer(self, row: list[int]) -> list[float]:
        place = sum(row) % len(self.labels)
        return [3.0 + self.shift if i == place else 0.0 for i in range(len(self.labels))]
