"""The fine-tuning loop that everybody starts from, as the BERT tutorials have it.

A dataset that tokenises one text at a time when asked for it, `padding="max_length"` to 128
tokens, batches of 16 in random order, fp32, plain AdamW at 2e-5. Corrected only where it no
longer runs: the tokenizer is called instead of `encode_plus`, AdamW is torch's.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset
from transformers import AutoModelForSequenceClassification, AutoTokenizer

Row = tuple[str, str]
MAX_LENGTH = 128
BATCH_SIZE = 16
LEARNING_RATE = 2e-5


class ReviewDataset(Dataset[dict[str, torch.Tensor]]):
    """Texts and labels; every look at a row tokenises it again."""

    def __init__(self, rows: list[Row], labels: list[str], tokenizer: Any) -> None:
        self.rows, self.labels, self.tokenizer = rows, labels, tokenizer

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, place: int) -> dict[str, torch.Tensor]:
        text, label = self.rows[place]
        encoding = self.tokenizer(
            text,
            add_special_tokens=True,
            max_length=MAX_LENGTH,
            padding="max_length",
            truncation=True,
            return_attention_mask=True,
            return_tensors="pt",
        )
        return {
            "input_ids": encoding["input_ids"].flatten(),
            "attention_mask": encoding["attention_mask"].flatten(),
            "labels": torch.tensor(self.labels.index(label)),
        }


class Tutorial:
    """The loop, one step at a time, so that another can run in turns with it."""

    def __init__(self, folder: Path, rows: list[Row], labels: list[str], *, seed: int) -> None:
        torch.manual_seed(seed)
        self.labels = labels
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.model = AutoModelForSequenceClassification.from_pretrained(
            folder, num_labels=len(labels)
        )
        self.model.train()
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=LEARNING_RATE)
        self.loader = DataLoader(
            ReviewDataset(rows, labels, self.tokenizer), batch_size=BATCH_SIZE, shuffle=True
        )
        self._batches = self._forever()

    def _forever(self) -> Iterator[dict[str, torch.Tensor]]:
        while True:  # an epoch a turn
            yield from self.loader

    def steps(self, count: int) -> None:
        """Do `count` updates."""
        for _ in range(count):
            batch = next(self._batches)
            self.optimizer.zero_grad()
            loss = self.model(**batch).loss
            loss.backward()
            self.optimizer.step()

    def predict(self, texts: list[str]) -> list[str]:
        """Return the label of each text, read as in training."""
        self.model.eval()
        rows = [(text, self.labels[0]) for text in texts]
        loader = DataLoader(ReviewDataset(rows, self.labels, self.tokenizer), batch_size=BATCH_SIZE)
        found: list[str] = []
        with torch.no_grad():
            for batch in loader:
                del batch["labels"]
                places = self.model(**batch).logits.argmax(dim=1).tolist()
                found += [self.labels[place] for place in places]
        return found


def shuffled(rows: list[Row], *, seed: int) -> list[Row]:
    """Return the rows in a reproducible order."""
    mixed = list(rows)
    random.Random(seed).shuffle(mixed)
    return mixed
