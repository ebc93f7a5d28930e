"""The first look at a received file; the user then confirms what it found."""

from __future__ import annotations

import tempfile
import uuid
from pathlib import Path

from modelyard.core import storage
from modelyard.core.errors import NotFound
from tenants.scoping.context import tenant_scope
from training.datasets import selectors, sniff
from training.datasets.formats import IMAGES
from training.datasets.formats.records import FileRefused
from training.datasets.models import Upload
from training.datasets.services import child
from training.datasets.services.claims import Claim, ClaimLost, claim
from training.datasets.services.datasets import task_is_set
from training.datasets.services.fetching import download
from training.datasets.services.mapping_again import upload_inspected


def inspect_run(*, tenant_id: uuid.UUID, upload_id: uuid.UUID) -> None:
    """Look at the start of a received file, unless somebody does; delivered twice, done once."""
    claimed = claim(tenant_id, upload_id, Upload.Status.VERIFYING)
    if claimed is None:
        return
    try:
        _inspect(claimed)
    except FileRefused as refusal:
        _refuse(claimed, refusal)
    except NotFound:
        claimed.reject("object_missing", {})
    except ClaimLost:
        return


def _refuse(claimed: Claim, refusal: FileRefused) -> None:
    """Reject the file; if only another reading of it failed, go back to the former one."""
    if not claimed.upload.preview:
        claimed.reject(refusal.code, refusal.data)
        return
    with tenant_scope(claimed.tenant_id):
        claimed.end(Upload.Status.MAPPING, error_code=refusal.code, error_data=refusal.data)


def _inspect(claimed: Claim) -> None:
    upload = claimed.upload
    facts = storage.facts(upload.storage_key)
    if facts is None or facts.bytes != upload.bytes:
        found = facts.bytes if facts else 0
        raise FileRefused("size_differs", found=found, expected=upload.bytes)
    with tempfile.TemporaryDirectory(prefix="modelyard-upload-") as folder:
        path = Path(folder) / "file"
        whole = _fetch(claimed, path)
        options = {
            "filename": upload.filename,
            "cut": not whole,
            "wish": upload.mapping,
            "cpu_seconds": child.cpu_seconds(path.stat().st_size, upload.filename),
        }
        (preview,) = child.answers("inspect", path, options)
    images = preview["source"]["format"] == IMAGES.name
    with tenant_scope(claimed.tenant_id):
        dataset = selectors.dataset_get(upload.dataset_id)
        if dataset.holds_images != images and task_is_set(dataset):
            raise FileRefused("images_for_texts" if images else "texts_for_images")
        claimed.end(
            Upload.Status.MAPPING,
            preview=preview,
            format=preview["source"]["format"],
            encoding=preview["source"]["encoding"],
            error_code="",
            error_data={},
        )
        upload_inspected(upload)


def _fetch(claimed: Claim, path: Path) -> bool:
    """Bring the start of the file here, or all of it where its end matters; tell whether all."""
    upload = claimed.upload
    if upload.bytes <= sniff.SAMPLE_BYTES:
        storage.download(upload.storage_key, path)
        return True
    with storage.open_stream(upload.storage_key) as stream:
        start = stream.read(sniff.SAMPLE_BYTES)
    if start.startswith(sniff.WHOLE):
        download(claimed, path)
        return True
    path.write_bytes(start)
    return False
