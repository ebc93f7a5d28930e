"""What a certificate of deletion says: facts without personal data."""

from __future__ import annotations

import datetime as dt
from importlib.metadata import version
from typing import Any

from django.conf import settings

from tenants.rights.models import Deletion


def facts_of(deletion: Deletion) -> dict[str, Any]:
    """Return the facts to sign: strings, integers, and mappings of them."""
    evidence = deletion.evidence
    return {
        "certificate": str(deletion.pk),
        "issuer": settings.SITE_URL,
        "kind": deletion.kind,
        "subject": str(deletion.subject_id),
        "started": _moment(deletion.started_at),
        "finished": _moment(deletion.finished_at),
        "rows": dict(sorted(evidence.get("rows", {}).items())),
        "objects": evidence.get("objects", 0),
        "object_versions": evidence.get("versions", 0),
        "object_bytes": evidence.get("bytes", 0),
        "unfinished_uploads": evidence.get("uploads", 0),
        "cache_keys": evidence.get("cache_keys", 0),
        "software": f"modelyard {version('modelyard')}",
    }


def _moment(value: dt.datetime | None) -> str:
    if value is None:
        raise ValueError("a deletion that has not ended gets no certificate")
    return value.astimezone(dt.UTC).isoformat(timespec="milliseconds")
