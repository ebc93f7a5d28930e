"""The object store: an object there and back, and what the bucket lets browsers do."""

from __future__ import annotations

import secrets
import uuid
from fnmatch import fnmatchcase

from django.conf import settings

from modelyard.core import storage
from modelyard.core.errors import DomainError
from modelyard.doctor.findings import Finding, State, fine, passed_over, plain, wrong

_ADVICE = {
    "SignatureDoesNotMatch": "Correct S3_SECRET_KEY.",
    "InvalidAccessKeyId": "Correct S3_ACCESS_KEY.",
    "NoSuchBucket": "Correct S3_BUCKET, or make the bucket with `modelyard bucket`.",
    "RequestTimeTooSkewed": "Set this host's clock: let it follow time servers.",
    "AccessDenied": "Let this access key read, write, list and delete in the bucket.",
}
_UNREACHABLE = "Check S3_ENDPOINT_URL, and that the store runs and answers from this host."
_PROBE = uuid.UUID(int=0)


def store_checks() -> list[Finding]:
    """Look at the bucket S3_BUCKET."""
    written = _writable()
    if written.state is State.OK:
        return [written, _cors()]
    return [written, passed_over("bucket_cors", "The bucket can't be asked.")]


def _writable() -> Finding:
    code = "store_writable"
    key = storage.tenant_key(_PROBE, "doctor", secrets.token_hex(8))
    body = secrets.token_bytes(64)
    place = f"bucket {settings.S3_BUCKET} at {settings.S3_ENDPOINT_URL or 'AWS'}"
    try:
        # First of all, since some stores make a missing bucket when they are written to.
        list(storage.list_keys(key))
        storage.put_bytes(key, body)
        returned = storage.get_bytes(key)
        storage.delete(key)
        remains = storage.facts(key)
    except (DomainError, ValueError) as error:
        cause = error.__cause__ or error
        reason = storage.refusal(cause)
        return wrong(
            code,
            f"An object can't be put into {place} and read back: {plain(cause)}.",
            _ADVICE.get(reason, _UNREACHABLE if not reason else f"The store says {reason}."),
        )
    if returned != body or remains is not None:
        return wrong(
            code,
            f"The {place} gave back another object than was put, or keeps what was deleted.",
            "The platform needs a store with read-after-write consistency and no object lock.",
        )
    return fine(code, f"An object went into {place}, back, and was deleted.")


def _cors() -> Finding:
    code = "bucket_cors"
    origin = settings.SITE_URL
    try:
        rules = [rule for rule in storage.bucket_cors() if _allows(rule, origin)]
    except DomainError as error:
        return wrong(
            code,
            f"The bucket's CORS rules can't be read: {plain(error.__cause__ or error)}.",
            "Let this access key read them (s3:GetBucketCORS).",
        )
    do = f"Run `modelyard bucket` with {origin} in S3_CORS_ORIGINS."
    if not rules:
        return wrong(
            code, f"No CORS rule of the bucket lets pages of {origin} PUT: uploads fail there.", do
        )
    if not any("etag" in map(str.lower, rule.exposes) for rule in rules):
        return wrong(
            code,
            f"The bucket's CORS rules do not show ETag to pages of {origin}: uploads in parts "
            "can't be finished.",
            do,
        )
    return fine(code, f"Pages of {origin} may PUT and see ETag.")


def _allows(rule: storage.CorsRule, origin: str) -> bool:
    return "PUT" in rule.methods and any(fnmatchcase(origin, one) for one in rule.origins)
