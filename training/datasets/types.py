"""Facts about datasets that cross apps."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class VersionFacts:
    """A frozen dataset version, as training, registry and reports need it.

    Attributes:
        holds_images: Whether its rows are images, and no texts.
        rows: Labelled rows in it.
        label_counts: Rows of each label.
        split_counts: Rows of `train`, `validation`, `test`.
        content_hash: SHA-256 over the sorted rows (text, label, split), in hex.
        rows_key: S3 key of the rows: Parquet, see `proof.SCHEMA`.
    """

    id: uuid.UUID
    dataset_id: uuid.UUID
    dataset_name: str
    number: int
    holds_images: bool
    rows: int
    label_counts: Mapping[str, int]
    split_counts: Mapping[str, int]
    content_hash: str
    rows_key: str


@dataclass(frozen=True)
class Progress:
    """How far an import is: bytes of the file, rows a second, seconds to go (None: unknown)."""

    bytes_done: int
    bytes_total: int
    percent: int
    rows_per_second: int
    eta_seconds: int | None


@dataclass(frozen=True)
class Arrived:
    """What the store has of an open upload.

    Attributes:
        part_bytes: Bytes of each part; the last one may have less.
        part_count: Parts the file is sent in, numbered from 1.
        numbers: The parts that are there.
        bytes: What they have together.
    """

    part_bytes: int
    part_count: int
    numbers: tuple[int, ...]
    bytes: int


@dataclass(frozen=True)
class Finding:
    """Something about a dataset that its owner should know before training on it."""

    code: str
    count: int
    sentence: str
