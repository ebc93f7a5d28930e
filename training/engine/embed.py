"""Texts to vectors by a base model as it is: the mean of the last layer's tokens, of length one."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from training.engine.device import computes_in_bf16
from training.engine.encoding import TextEncoder, budget_batches, collate
from training.engine.errors import SpecError
from training.engine.model import max_positions

MAX_LENGTH = 128
"""Tokens of a text that are read: what a text is about stands at its start, and twice as many
tokens take more than twice the time."""
TOKEN_BUDGET = 4096
TOKEN_BUDGET_GPU = 65_536

Vectors = npt.NDArray[np.float32]
Report = Callable[[int, int], None]
"""Called with how many of how many texts are done."""


class Embedder:
    """A base model that turns texts into vectors."""

    def __init__(self, folder: Path) -> None:
        """Load from a local folder.

        Raises:
            SpecError: the folder holds no model that can be loaded.
        """
        from transformers import AutoModel

        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        self._encoder = TextEncoder(folder, max_length=MAX_LENGTH, positions=max_positions(folder))
        try:
            model: Any = AutoModel.from_pretrained(
                folder, dtype=torch.float32, local_files_only=True, use_safetensors=True
            )
        except (ValueError, OSError) as exc:
            raise SpecError("base_unsupported", f"The base model cannot be loaded: {exc}") from exc
        self._model = model.eval().to(self._device)

    def vectors(self, texts: Sequence[str], report: Report) -> Vectors:
        """Return one vector a text, [texts, width]; `report` hears of every batch."""
        ids = self._encoder.encode(texts).ids
        budget = TOKEN_BUDGET if self._device == "cpu" else TOKEN_BUDGET_GPU
        result = np.zeros((len(ids), int(self._model.config.hidden_size)), dtype=np.float32)
        done = 0
        # The longest first: the time to go is then not guessed too short.
        for rows in reversed(budget_batches([len(row) for row in ids], tokens=budget)):
            result[rows] = self._forward([ids[row] for row in rows])
            done += len(rows)
            report(done, len(ids))
        return result

    def _forward(self, ids: Sequence[Sequence[int]]) -> Vectors:
        input_ids, mask = collate(ids, pad_id=self._encoder.pad_id)
        input_ids, mask = input_ids.to(self._device), mask.to(self._device)
        with (
            torch.inference_mode(),
            torch.autocast(self._device, dtype=torch.bfloat16, enabled=computes_in_bf16()),
        ):
            tokens = self._model(input_ids=input_ids, attention_mask=mask).last_hidden_state
        weights = mask.unsqueeze(-1).float()
        mean = (tokens.float() * weights).sum(1) / weights.sum(1)
        unit: Vectors = torch.nn.functional.normalize(mean, dim=1).cpu().numpy()
        return unit
