"""What other apps see of a model version: plain values, no rows."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class FileFacts:
    """One file of an artifact."""

    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Artifact:
    """A verified folder that lies in S3 under `prefix`; the manifest was written last."""

    prefix: str
    manifest_sha256: str
    bytes: int
    files: tuple[FileFacts, ...]


@dataclass(frozen=True, kw_only=True)
class NewVersion:
    """What a run hands over to be registered."""

    model_name: str
    run_id: uuid.UUID
    dataset_version_id: uuid.UUID
    artifact: Artifact
    labels: tuple[str, ...]
    metrics: Mapping[str, Any]
    spec: Mapping[str, Any]
    base: str
    engine_version: str


@dataclass(frozen=True, kw_only=True)
class VersionFacts:
    """A model version as others use it."""

    id: uuid.UUID
    model_id: uuid.UUID
    model_name: str
    number: int
    status: str
    artifact_prefix: str
    manifest_sha256: str
    bytes: int
    labels: tuple[str, ...]
    dataset_version_id: uuid.UUID
    run_id: uuid.UUID
    created_at: dt.datetime
    metrics: Mapping[str, Any] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """The name people read, e.g. `ticket-intent v3`."""
        return f"{self.model_name} v{self.number}"
