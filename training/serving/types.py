"""What the doors and other apps see of a deployment: plain values."""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class DeploymentFacts:
    """A deployment with the names of what it runs.

    Attributes:
        version: Number of the model version, as people read it.
        error_code: Stable name of what went wrong, or ''.
        error: The sentence that goes with it, or ''.
        live_at: When it last became live.
    """

    id: uuid.UUID
    name: str
    status: str
    model_id: uuid.UUID
    model_name: str
    version_id: uuid.UUID
    version: int
    shard: str
    error_code: str
    error: str
    created_at: dt.datetime
    live_at: dt.datetime | None
