"""The first look at a received file; the user then confirms what it found."""

from __future__ import annotations

import tempfile
import uuid
from pathlib import Path

from modelyard.core import storage
from modelyard.core.errors import NotFound
from tenants.scoping.context import tenant_scope
from training.datasets import sniff
from training.datasets.models import Upload
from training.datasets.readers import FileRefused
from training.datasets.services import child
from training.datasets.services.claims import Claim, ClaimLost, claim


def inspect_run(*, tenant_id: uuid.UUID, upload_id: uuid.UUID) -> None:
    """Look at the start of a received file, unless somebody does; delivered twice, done once."""
    claimed = claim(tenant_id, upload_id, Upload.Status.VERIFYING)
    if claimed is None:
        return
    try:
        _inspect(claimed)
    except FileRefused as refusal:
        claimed.reject(refusal.code, refusal.data)
    except NotFound:
        claimed.reject("object_missing", {})
    except ClaimLost:
        return


def _inspect(claimed: Claim) -> None:
    upload = claimed.upload
    facts = storage.facts(upload.storage_key)
    if facts is None or facts.bytes != upload.bytes:
        found = facts.bytes if facts else 0
        raise FileRefused("size_differs", found=found, expected=upload.bytes)
    with tempfile.TemporaryDirectory(prefix="modelyard-upload-") as folder:
        path = Path(folder) / "sample"
        path.write_bytes(storage.open_stream(upload.storage_key).read(sniff.SAMPLE_BYTES))
        options = {
            "filename": upload.filename,
            "cut": upload.bytes > sniff.SAMPLE_BYTES,
            "wish": upload.mapping,
            "cpu_seconds": child.INSPECT_SECONDS,
        }
        (preview,) = child.answers("inspect", path, options)
    with tenant_scope(claimed.tenant_id):
        claimed.end(
            Upload.Status.MAPPING,
            preview=preview,
            format=preview["source"]["format"],
            encoding=preview["source"]["encoding"],
        )
