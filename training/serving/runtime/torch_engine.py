"""The product's engine: a trained artifact through `training.engine.predict`."""

from __future__ import annotations

from pathlib import Path

from training.engine.predict import Predictor


class TorchEngine:
    """One artifact on one compute thread; its folder was verified by the cache."""

    def __init__(self, folder: Path) -> None:
        self._predictor = Predictor(folder, threads=1, check=False)
        self.labels = self._predictor.labels

    def encode(self, texts: list[str]) -> tuple[list[list[int]], list[bool]]:
        """Return token ids, one list a text, and whether each text was cut to fit."""
        encoded = self._predictor.encode_marked(texts)
        return encoded.ids, encoded.truncated

    def logits(self, rows: list[list[int]]) -> list[list[float]]:
        """Return one logit per label for each row."""
        answers: list[list[float]] = self._predictor.forward(rows).tolist()
        return answers
