"""AWS Signature Version 4 of a GET, as any S3-compatible store wants it (header form).

https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

_EMPTY = hashlib.sha256(b"").hexdigest()


@dataclass(frozen=True)
class Access:
    """Whose requests these are."""

    key: str
    secret: str
    region: str


def encoded(text: str, *, slash: bool = False) -> str:
    """Percent-encode as SigV4 wants it; `slash` leaves the slashes of a path."""
    return quote(text, safe="-_.~/" if slash else "-_.~")


def query_of(fields: Mapping[str, str]) -> str:
    """Return a query in canonical order."""
    return "&".join(f"{encoded(name)}={encoded(fields[name])}" for name in sorted(fields))


def signed(url: str, access: Access, now: dt.datetime) -> dict[str, str]:
    """Return the headers that sign a GET of `url`, whose path and query are encoded as above."""
    parts = urlsplit(url)
    stamp, day = now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d")
    headers = {"host": parts.netloc, "x-amz-content-sha256": _EMPTY, "x-amz-date": stamp}
    names = ";".join(sorted(headers))
    lines = [f"{name}:{headers[name]}" for name in sorted(headers)]
    canonical = "\n".join(["GET", parts.path or "/", parts.query, *lines, "", names, _EMPTY])
    scope = f"{day}/{access.region}/s3/aws4_request"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    wanted = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, digest])
    key = f"AWS4{access.secret}".encode()
    for part in (day, access.region, "s3", "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, wanted.encode(), hashlib.sha256).hexdigest()
    credential = f"Credential={access.key}/{scope}"
    return {
        "x-amz-content-sha256": _EMPTY,
        "x-amz-date": stamp,
        "authorization": (
            f"AWS4-HMAC-SHA256 {credential},SignedHeaders={names},Signature={signature}"
        ),
    }
