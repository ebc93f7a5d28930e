"""The one S3 door. Keys are immutable and start with `tenants/<tenant id>/`.

Bodies never pass through the web process: browsers and clients use presigned requests.
"""

from __future__ import annotations

import datetime as dt
import os
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from django.conf import settings

from modelyard.core.errors import NotFound, Unavailable

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client


@dataclass(frozen=True)
class ObjectFacts:
    """What the store knows of an object."""

    key: str
    bytes: int
    etag: str


@dataclass(frozen=True)
class Part:
    """One finished part of a multipart upload."""

    number: int
    etag: str
    bytes: int


@dataclass(frozen=True)
class CorsRule:
    """What pages of `origins` (patterns with `*`) may do with the bucket, and which headers see."""

    origins: tuple[str, ...]
    methods: tuple[str, ...]
    exposes: tuple[str, ...]


def tenant_key(tenant_id: uuid.UUID, *parts: str) -> str:
    """Return the key of a tenant's object: `tenants/<id>/<part>/<part>...`."""
    for part in parts:
        if not part or part.startswith("/") or ".." in part.split("/"):
            raise ValueError(f"not a key part: {part!r}")
    return "/".join(("tenants", str(tenant_id), *parts))


@lru_cache(maxsize=4)
def _client(endpoint: str, _pid: int) -> S3Client:
    return boto3.client(
        "s3",
        endpoint_url=endpoint or None,
        aws_access_key_id=settings.S3_ACCESS_KEY,
        aws_secret_access_key=settings.S3_SECRET_KEY,
        region_name=settings.S3_REGION,
        config=Config(
            signature_version="s3v4",
            s3={"addressing_style": "path"},
            connect_timeout=5,
            read_timeout=60,
            retries={"max_attempts": 4, "mode": "standard"},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )


def _s3() -> S3Client:
    return _client(settings.S3_ENDPOINT_URL, os.getpid())


def _public() -> S3Client:
    """The client whose signatures browsers use: the host is part of what is signed."""
    return _client(settings.S3_PUBLIC_ENDPOINT_URL or settings.S3_ENDPOINT_URL, os.getpid())


def _call(method: str, **arguments: Any) -> Any:
    try:
        return getattr(_s3(), method)(Bucket=settings.S3_BUCKET, **arguments)
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") in {"NoSuchKey", "404", "NotFound"}:
            raise NotFound("The stored object is gone.", code="object_missing") from error
        if error.response.get("Error", {}).get("Code") == "NoSuchUpload":
            raise NotFound("This upload was ended; start it again.", code="upload_gone") from error
        raise Unavailable(
            "The object store refused; try again in a moment.", code="storage_error", retry_after=5
        ) from error
    except BotoCoreError as error:
        raise Unavailable(
            "The object store can't be reached; try again in a moment.",
            code="storage_unreachable",
            retry_after=5,
        ) from error


def bucket_ensure(*, origins: list[str]) -> None:
    """Make the bucket if it is missing and let pages of `origins` use it; safe to repeat.

    Browsers send parts of an upload themselves and must be shown each part's ETag.
    """
    try:
        _call("head_bucket")
    except NotFound:
        region = settings.S3_REGION
        place = {"LocationConstraint": region} if region != "us-east-1" else None
        _call("create_bucket", **({"CreateBucketConfiguration": place} if place else {}))
    rule = {
        "AllowedOrigins": origins,
        "AllowedMethods": ["PUT", "GET", "POST", "HEAD"],
        "AllowedHeaders": ["*"],
        "ExposeHeaders": ["ETag"],
        "MaxAgeSeconds": 3600,
    }
    _call("put_bucket_cors", CORSConfiguration={"CORSRules": [rule]})


def bucket_cors() -> list[CorsRule]:
    """Return the bucket's rules for browsers; none is an empty list."""
    try:
        found = _call("get_bucket_cors")
    except Unavailable as error:
        if refusal(error.__cause__) == "NoSuchCORSConfiguration":
            return []
        raise
    return [
        CorsRule(
            origins=tuple(row.get("AllowedOrigins", [])),
            methods=tuple(row.get("AllowedMethods", [])),
            exposes=tuple(row.get("ExposeHeaders", [])),
        )
        for row in found.get("CORSRules", [])
    ]


def refusal(error: BaseException | None) -> str:
    """Return the store's own code for why it refused, '' when it was never reached."""
    if not isinstance(error, ClientError):
        return ""
    return str(error.response.get("Error", {}).get("Code", ""))


def put_bytes(key: str, data: bytes, *, content_type: str = "application/octet-stream") -> None:
    """Store `data` under `key`."""
    _call("put_object", Key=key, Body=data, ContentType=content_type)


def put_new(key: str, data: bytes, *, content_type: str = "application/octet-stream") -> bool:
    """Store `data` under `key` unless something lies there already; tell whether it was stored."""
    try:
        _call("put_object", Key=key, Body=data, ContentType=content_type, IfNoneMatch="*")
    except Unavailable as error:
        if refusal(error.__cause__) in {"PreconditionFailed", "ConditionalRequestConflict"}:
            return False
        raise
    return True


def put_file(key: str, path: Path) -> None:
    """Store the file at `path` under `key` (multipart above 8 MiB)."""
    try:
        _s3().upload_file(str(path), settings.S3_BUCKET, key)
    except (BotoCoreError, ClientError, boto3.exceptions.S3UploadFailedError) as error:
        raise Unavailable(
            "The object store refused a file; try again.", code="storage_error", retry_after=5
        ) from error


def get_bytes(key: str) -> bytes:
    """Return the whole object; for small ones."""
    return bytes(_call("get_object", Key=key)["Body"].read())


def open_stream(key: str) -> IO[bytes]:
    """Return a readable stream of the object's bytes."""
    stream: IO[bytes] = _call("get_object", Key=key)["Body"]
    return stream


def download(key: str, path: Path) -> None:
    """Write the object to `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    body = _call("get_object", Key=key)["Body"]
    with path.open("wb") as target:
        for chunk in body.iter_chunks(1 << 20):
            target.write(chunk)


def facts(key: str) -> ObjectFacts | None:
    """Return size and ETag, or None when there is no such object."""
    try:
        head = _call("head_object", Key=key)
    except NotFound:
        return None
    return ObjectFacts(key=key, bytes=int(head["ContentLength"]), etag=head["ETag"].strip('"'))


def list_keys(prefix: str) -> Iterator[ObjectFacts]:
    """Yield every object below `prefix`."""
    token: dict[str, Any] = {}
    while True:
        page = _call("list_objects_v2", Prefix=prefix, **token)
        for row in page.get("Contents", []):
            yield ObjectFacts(row["Key"], int(row["Size"]), row["ETag"].strip('"'))
        if not page.get("IsTruncated"):
            return
        token = {"ContinuationToken": page["NextContinuationToken"]}


def delete(key: str) -> None:
    """Delete the object; harmless when it is gone already."""
    _call("delete_object", Key=key)


def delete_prefix(prefix: str) -> int:
    """Delete every object below `prefix`; return how many."""
    count = 0
    for row in list(list_keys(prefix)):
        delete(row.key)
        count += 1
    return count


def presign_get(key: str, *, filename: str, seconds: int = 600) -> str:
    """Return a URL that downloads the object under `filename` for `seconds`."""
    return _public().generate_presigned_url(
        "get_object",
        Params={
            "Bucket": settings.S3_BUCKET,
            "Key": key,
            "ResponseContentDisposition": f'attachment; filename="{filename}"',
        },
        ExpiresIn=seconds,
    )


def multipart_create(key: str, *, content_type: str = "application/octet-stream") -> str:
    """Open a multipart upload and return its id."""
    return str(_call("create_multipart_upload", Key=key, ContentType=content_type)["UploadId"])


def multipart_sign(
    key: str, upload_id: str, number: int, *, length: int, seconds: int = 3600
) -> str:
    """Return the URL to PUT part `number` (from 1) to: `length` bytes, and no other number."""
    return _public().generate_presigned_url(
        "upload_part",
        Params={
            "Bucket": settings.S3_BUCKET,
            "Key": key,
            "UploadId": upload_id,
            "PartNumber": number,
            "ContentLength": length,
        },
        ExpiresIn=seconds,
    )


def multipart_parts(key: str, upload_id: str) -> list[Part]:
    """Return the parts that have arrived."""
    parts: list[Part] = []
    marker = 0
    while True:
        page = _call("list_parts", Key=key, UploadId=upload_id, PartNumberMarker=marker)
        parts += [
            Part(int(row["PartNumber"]), row["ETag"], int(row["Size"]))
            for row in page.get("Parts", [])
        ]
        if not page.get("IsTruncated"):
            return parts
        marker = int(page["NextPartNumberMarker"])


def multipart_complete(key: str, upload_id: str, parts: list[Part]) -> None:
    """Join the parts into the object."""
    _call(
        "complete_multipart_upload",
        Key=key,
        UploadId=upload_id,
        MultipartUpload={
            "Parts": [
                {"PartNumber": part.number, "ETag": part.etag}
                for part in sorted(parts, key=lambda one: one.number)
            ]
        },
    )


def multipart_abort(key: str, upload_id: str) -> None:
    """Throw away an unfinished upload; harmless when it is gone already."""
    try:
        _call("abort_multipart_upload", Key=key, UploadId=upload_id)
    except NotFound:
        return


@dataclass(frozen=True)
class ObjectVersion:
    """One version of an object, or the marker of its deletion (of no bytes)."""

    key: str
    id: str
    bytes: int


def list_versions(prefix: str) -> Iterator[ObjectVersion]:
    """Yield every version and deletion marker below `prefix`, current or not."""
    token: dict[str, Any] = {}
    while True:
        page = _call("list_object_versions", Prefix=prefix, **token)
        for row in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]:
            yield ObjectVersion(row["Key"], row["VersionId"], int(row.get("Size", 0)))
        if not page.get("IsTruncated"):
            return
        token = {
            "KeyMarker": page["NextKeyMarker"],
            "VersionIdMarker": page.get("NextVersionIdMarker", ""),
        }


def delete_versions(versions: Sequence[ObjectVersion]) -> None:
    """Delete versions for good, at most 1,000 at once; harmless when they are gone already.

    Raises:
        Unavailable: `storage_kept`: the store refused some of them.
    """
    names: list[Any] = [{"Key": one.key, "VersionId": one.id} for one in versions]
    answer = _call("delete_objects", Delete={"Objects": names, "Quiet": True})
    refused = [row for row in answer.get("Errors", []) if row.get("Code") != "NoSuchKey"]
    if refused:
        raise Unavailable(
            "The object store kept objects that had to go; try again.",
            code="storage_kept",
            retry_after=5,
        )


@dataclass(frozen=True)
class Unfinished:
    """A multipart upload that was neither completed nor thrown away."""

    key: str
    upload_id: str
    since: dt.datetime


def unfinished_multiparts(prefix: str) -> Iterator[Unfinished]:
    """Yield every unfinished multipart upload below `prefix`."""
    marker: dict[str, Any] = {}
    while True:
        page = _call("list_multipart_uploads", Prefix=prefix, **marker)
        for row in page.get("Uploads", []):
            yield Unfinished(row["Key"], row["UploadId"], row["Initiated"])
        if not page.get("IsTruncated"):
            return
        # SeaweedFS goes on by the id alone and names no key.
        names = {"KeyMarker": "NextKeyMarker", "UploadIdMarker": "NextUploadIdMarker"}
        marker = {ours: page[theirs] for ours, theirs in names.items() if page.get(theirs)}


def list_multiparts(prefix: str) -> list[tuple[str, str]]:
    """Return (key, upload id) of unfinished multipart uploads below `prefix`, 1,000 at most."""
    page = _call("list_multipart_uploads", Prefix=prefix)
    return [(row["Key"], row["UploadId"]) for row in page.get("Uploads", [])]


def multipart_put(key: str, upload_id: str, number: int, data: bytes) -> Part:
    """Send part `number` (from 1) of an upload from this process."""
    answer = _call("upload_part", Key=key, UploadId=upload_id, PartNumber=number, Body=data)
    return Part(number, answer["ETag"], len(data))
