"""A trained folder, ready to answer: the same preprocessing as in training."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from training.engine.artifact import verify
from training.engine.encoding import Encoded, TextEncoder, budget_batches, collate
from training.engine.evaluate import softmax

TOKEN_BUDGET = 512


@dataclass(frozen=True)
class Prediction:
    """One answer.

    Attributes:
        label: the most likely label.
        score: its probability.
        scores: probability of every label.
        truncated: whether the end of the text was cut off before reading.
    """

    label: str
    score: float
    scores: dict[str, float]
    truncated: bool


class Predictor:
    """A classifier loaded from an artifact folder.

    Attributes:
        labels: names in the order of the logits.
        max_length: tokens a text, special tokens included.
    """

    labels: list[str]
    max_length: int

    def __init__(
        self,
        folder: Path | str,
        *,
        threads: int = 1,
        precision: str = "fp32",
        device: str = "cpu",
        check: bool = True,
    ) -> None:
        """Verify and load.

        Args:
            folder: an artifact.
            threads: compute threads of this whole process (torch has one pool).
            precision: "fp32", or "bf16" for weights and activations in bf16.
            device: where to compute.
            check: verify the manifest first; only the trainer, whose folder is not sealed
                yet, leaves this out.

        Raises:
            ArtifactError: the folder is not what its manifest says.
        """
        from transformers import AutoModelForSequenceClassification

        folder = Path(folder)
        if check:
            verify(folder)
        torch.set_num_threads(threads)
        dtype = torch.bfloat16 if precision == "bf16" else torch.float32
        self._device = torch.device(device)
        self._model: Any = AutoModelForSequenceClassification.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, dtype=dtype
        )
        self._model.eval().to(self._device)
        args = json.loads((folder / "training_args.json").read_text(encoding="utf-8"))
        self._encoder = TextEncoder(folder, max_length=args["max_length"])
        self.max_length = self._encoder.max_length
        names = self._model.config.id2label
        self.labels = [names[place] for place in range(len(names))]

    @property
    def bytes(self) -> int:
        """Memory the weights take, for caches that count."""
        return sum(p.numel() * p.element_size() for p in self._model.parameters())

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the token ids of each text, cut at `max_length`."""
        return self._encoder.encode(texts).ids

    def encode_marked(self, texts: Sequence[str]) -> Encoded:
        """Return the token ids of each text and whether it was cut."""
        return self._encoder.encode(texts)

    def forward(self, token_batch: Sequence[Sequence[int]]) -> torch.Tensor:
        """Return the logits of one padded batch, float32 [rows, labels], on the CPU."""
        input_ids, mask = collate(token_batch, pad_id=self._encoder.pad_id)
        with torch.inference_mode():
            logits: torch.Tensor = self._model(
                input_ids=input_ids.to(self._device), attention_mask=mask.to(self._device)
            ).logits
        return logits.float().cpu()

    def logits(self, token_rows: Sequence[Sequence[int]]) -> npt.NDArray[np.float32]:
        """Return logits of any number of rows in their order, [rows, labels], in batches."""
        result = np.zeros((len(token_rows), len(self.labels)), dtype=np.float32)
        for rows in budget_batches([len(ids) for ids in token_rows], tokens=TOKEN_BUDGET):
            result[rows] = self.forward([token_rows[row] for row in rows]).numpy()
        return result

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        """Return one prediction a text, in order."""
        encoded = self._encoder.encode(texts)
        probabilities = softmax(self.logits(encoded.ids))
        return [
            self._prediction(row, truncated)
            for row, truncated in zip(probabilities.tolist(), encoded.truncated, strict=True)
        ]

    def _prediction(self, row: list[float], truncated: bool) -> Prediction:
        scores = dict(zip(self.labels, row, strict=True))
        label = max(scores, key=scores.__getitem__)
        return Prediction(label=label, score=scores[label], scores=scores, truncated=truncated)
