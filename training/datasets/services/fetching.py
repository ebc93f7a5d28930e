"""Bringing an uploaded file to the worker."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

from modelyard.core import storage
from tenants.scoping.context import tenant_scope
from training.datasets.services.claims import Claim

KEEP_SECONDS = 10.0
_CHUNK = 1024**2


def download(claimed: Claim, path: Path) -> str:
    """Bring the file here, keeping the claim; return its SHA-256."""
    digest = hashlib.sha256()
    kept_at = time.monotonic()
    source = storage.open_stream(claimed.upload.storage_key)
    with path.open("wb") as target:
        while chunk := source.read(_CHUNK):
            target.write(chunk)
            digest.update(chunk)
            if time.monotonic() - kept_at > KEEP_SECONDS:
                kept_at = time.monotonic()
                with tenant_scope(claimed.tenant_id):
                    claimed.keep()
    return digest.hexdigest()
