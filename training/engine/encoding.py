"""Texts to token ids, once, in batches; and batches that waste little on padding."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from training.engine.errors import SpecError

# Rows sorted by length at a time, in batches: large enough to group well, small enough that the
# order still differs from epoch to epoch.
WINDOW_BATCHES = 50
ENCODE_CHUNK = 1000


@dataclass(frozen=True)
class Encoded:
    """Token ids of each text (special tokens included) and whether it was cut."""

    ids: list[list[int]]
    truncated: list[bool]


@dataclass(frozen=True)
class LengthStats:
    """Tokens a text, after the cut."""

    mean: float
    p50: int
    p95: int
    max: int
    truncated: int


class TextEncoder:
    """The base model's own fast tokenizer with one fixed maximum length.

    Attributes:
        tokenizer: the transformers tokenizer.
        max_length: tokens a text, special tokens included.
    """

    def __init__(self, folder: Path, *, max_length: int, positions: int | None = None) -> None:
        """Load from a local folder.

        Args:
            folder: holds tokenizer.json.
            max_length: wanted maximum; the model's own limit caps it.
            positions: how many positions the model has, or None for no limit.

        Raises:
            SpecError: the tokenizer cannot be used for batches.
        """
        from transformers import AutoTokenizer

        try:
            self.tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        except (OSError, ValueError) as exc:
            raise SpecError("base_no_tokenizer", f"The tokenizer cannot be loaded: {exc}") from exc
        if not self.tokenizer.is_fast or self.tokenizer.pad_token_id is None:
            raise SpecError(
                "base_no_tokenizer", "The base model needs a fast tokenizer with a padding token."
            )
        limits = [max_length, self.tokenizer.model_max_length, positions or max_length]
        self.max_length = int(min(limits))

    @property
    def pad_id(self) -> int:
        """The padding token's id."""
        return int(self.tokenizer.pad_token_id)

    def encode(self, texts: Sequence[str]) -> Encoded:
        """Return ids of at most `max_length` tokens for each text, in order."""
        ids: list[list[int]] = []
        truncated: list[bool] = []
        for start in range(0, len(texts), ENCODE_CHUNK):
            chunk = list(texts[start : start + ENCODE_CHUNK])
            batch = self.tokenizer(
                chunk, truncation=True, max_length=self.max_length, padding=False
            )
            ids += [encoding.ids for encoding in batch.encodings]
            truncated += [bool(encoding.overflowing) for encoding in batch.encodings]
        return Encoded(ids=ids, truncated=truncated)

    def save(self, folder: Path) -> None:
        """Write the tokenizer so that plain transformers cuts at the same length."""
        self.tokenizer.backend_tokenizer.no_truncation()
        self.tokenizer.backend_tokenizer.no_padding()
        self.tokenizer.model_max_length = self.max_length
        self.tokenizer.save_pretrained(folder)


def length_stats(encoded: Encoded) -> LengthStats:
    """Describe the lengths of at least one encoded text."""
    lengths = np.array([len(ids) for ids in encoded.ids])
    return LengthStats(
        mean=round(float(lengths.mean()), 2),
        p50=int(np.percentile(lengths, 50)),
        p95=int(np.percentile(lengths, 95)),
        max=int(lengths.max()),
        truncated=sum(encoded.truncated),
    )


def grouped_batches(
    lengths: Sequence[int], *, batch_size: int, seed: int, epoch: int
) -> list[list[int]]:
    """Return one epoch's batches of row numbers, rows of like length together.

    The same seed and epoch give the same batches, which is what lets a resumed run go on in
    the middle of an epoch.
    """
    random = np.random.default_rng([seed, 3, epoch])
    order = random.permutation(len(lengths)).tolist()
    window = WINDOW_BATCHES * batch_size
    batches: list[list[int]] = []
    for start in range(0, len(order), window):
        rows = sorted(order[start : start + window], key=lambda row: lengths[row])
        batches += [rows[at : at + batch_size] for at in range(0, len(rows), batch_size)]
    return [batches[place] for place in random.permutation(len(batches))]


def budget_batches(lengths: Sequence[int], *, tokens: int) -> list[list[int]]:
    """Return batches of row numbers, shortest first, padded size at most `tokens`.

    A row longer than the budget gets a batch of its own.
    """
    batches: list[list[int]] = []
    current: list[int] = []
    for row in sorted(range(len(lengths)), key=lambda row: lengths[row]):
        if current and lengths[row] * (len(current) + 1) > tokens:
            batches.append(current)
            current = []
        current.append(row)
    if current:
        batches.append(current)
    return batches


def collate(
    ids: Sequence[Sequence[int]], *, pad_id: int, multiple: int = 1
) -> tuple[torch.Tensor, torch.Tensor]:
    """Pad to the longest (rounded up to `multiple`).

    Returns:
        input_ids and attention_mask, both int64 [rows, width].
    """
    width = -(-max(len(row) for row in ids) // multiple) * multiple
    input_ids = torch.full((len(ids), width), pad_id, dtype=torch.long)
    mask = torch.zeros((len(ids), width), dtype=torch.long)
    for place, row in enumerate(ids):
        input_ids[place, : len(row)] = torch.tensor(row, dtype=torch.long)
        mask[place, : len(row)] = 1
    return input_ids, mask
