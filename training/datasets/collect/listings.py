"""The answers of S3 to "what is in this bucket?" (ListObjectsV2) and its refusals."""

from __future__ import annotations

from typing import Any

from training.datasets.collect.xml import Unreadable, local, root_of, text_of


def entries(body: bytes, url: str) -> dict[str, Any]:
    """Return `objects` (`{"key", "bytes", "etag"}`) and `token` ('' on the last page).

    Raises:
        Unreadable: `not_s3`, `xml_entities`.
    """
    del url
    root = root_of(body, "not_s3")
    if local(root) != "ListBucketResult":
        raise Unreadable("not_s3")
    objects = [
        {
            "key": text_of(one, "Key"),
            "bytes": int(text_of(one, "Size") or 0),
            "etag": text_of(one, "ETag").strip('"'),
        }
        for one in root
        if local(one) == "Contents"
    ]
    more = text_of(root, "IsTruncated") == "true"
    return {"objects": objects, "token": text_of(root, "NextContinuationToken") if more else ""}


def refusal(body: bytes, url: str) -> dict[str, Any]:
    """Return `code`: what S3 calls its refusal, e.g. `AccessDenied`; '' when it doesn't say.

    Raises:
        Unreadable: `not_s3`, `xml_entities`.
    """
    del url
    root = root_of(body, "not_s3")
    return {"code": text_of(root, "Code")[:60] if local(root) == "Error" else ""}
