"""Artifacts in S3: files first and the manifest last, so that a manifest means a whole set.

Nothing here loads a model; verifying is hashing (`training.engine.artifact`).
"""

from __future__ import annotations

import json
import os
import shutil
import uuid
from pathlib import Path

from django.utils.translation import gettext_lazy as _

from modelyard.core import storage
from modelyard.core.errors import Conflict
from training.engine import artifact as engine
from training.engine.catalog import file_sha256
from training.engine.errors import ArtifactError
from training.registry.types import Artifact, FileFacts, VersionFacts

DOWNLOAD_SECONDS = 600


def prefix_for(tenant_id: uuid.UUID, run_id: uuid.UUID, attempt: int) -> str:
    """Return where one attempt of a run puts its artifact; no other attempt writes there."""
    return storage.tenant_key(tenant_id, "models", str(run_id), str(attempt))


def artifact_upload(*, prefix: str, folder: Path) -> Artifact:
    """Verify `folder`, put its files under `prefix`, the manifest last.

    Raises:
        Conflict: `artifact_broken`: the folder is not what its manifest says.
        Unavailable: The store refused; nothing is registered, a repeat is harmless.
    """
    facts = _verified(folder)
    names = json.loads((folder / engine.MANIFEST).read_text(encoding="utf-8"))["files"]
    for name in sorted(names):
        storage.put_file(f"{prefix}/{name}", folder / name)
    storage.put_file(f"{prefix}/{engine.MANIFEST}", folder / engine.MANIFEST)
    return Artifact(
        prefix=prefix,
        manifest_sha256=facts.manifest_sha256,
        bytes=facts.bytes,
        files=tuple(
            FileFacts(name=name, bytes=int(entry["bytes"]), sha256=str(entry["sha256"]))
            for name, entry in sorted(names.items())
        ),
    )


def artifact_download(version: VersionFacts, folder: Path) -> None:
    """Fetch the artifact into `folder`, which appears at once and only when all of it is right.

    Several downloads of one version side by side are harmless: the first one stays.

    Raises:
        Conflict: `artifact_broken`: bytes differ from the manifest, or it from the registry.
        NotFound: `object_missing`: an object is gone.
        Unavailable: The store can't be reached.
    """
    if (folder / engine.MANIFEST).is_file():
        _check(folder, version)
        return
    partial = folder.with_name(f".{folder.name}.{os.getpid()}.{uuid.uuid4().hex[:8]}.partial")
    partial.mkdir(parents=True)
    try:
        _fetch(version, partial)
        _check(partial, version)
        try:
            partial.rename(folder)
        except OSError:
            # Somebody finished before us; theirs is verified the same way.
            _check(folder, version)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def file_url(version: VersionFacts, name: str) -> str:
    """Return a URL that downloads one file of the artifact."""
    return storage.presign_get(
        f"{version.artifact_prefix}/{name}", filename=name, seconds=DOWNLOAD_SECONDS
    )


def metrics_read(version: VersionFacts) -> dict[str, object]:
    """Return the full report that lies in the artifact (`metrics.json`)."""
    content = json.loads(storage.get_bytes(f"{version.artifact_prefix}/metrics.json"))
    if not isinstance(content, dict):
        raise _broken("metrics.json")
    return content


def _fetch(version: VersionFacts, folder: Path) -> None:
    manifest = folder / engine.MANIFEST
    storage.download(f"{version.artifact_prefix}/{engine.MANIFEST}", manifest)
    if file_sha256(manifest) != version.manifest_sha256:
        raise _broken(engine.MANIFEST)
    for name in json.loads(manifest.read_text(encoding="utf-8"))["files"]:
        # Checked before anything is written under that name.
        if name not in engine.ALLOWED:
            raise _broken(name)
        storage.download(f"{version.artifact_prefix}/{name}", folder / name)


def _check(folder: Path, version: VersionFacts) -> None:
    if _verified(folder).manifest_sha256 != version.manifest_sha256:
        raise _broken(engine.MANIFEST)


def _verified(folder: Path) -> engine.Verified:
    try:
        return engine.verify(folder)
    except ArtifactError as error:
        raise _broken(error.message) from error


def _broken(what: str) -> Conflict:
    return Conflict(
        _("The stored model is not what was registered (%(what)s). Train it again.")
        % {"what": what},
        code="artifact_broken",
    )
