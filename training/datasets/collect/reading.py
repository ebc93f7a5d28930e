"""The child that reads strangers' HTML and XML: `python -m training.datasets.collect.reading`.

A JSON line in (`kind`, `url`, `type`, `body` in base64), a JSON line out. It knows no database and
no secret, and lives under the limits of `confinement`.
"""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Callable, Mapping
from typing import Any

from training.datasets.collect import feeds, listings, pages, sitemaps
from training.datasets.collect.xml import Unreadable
from training.datasets.confinement import confine

CPU_SECONDS = 120
"""For all that one child reads; its keeper starts another before that."""
_READERS: Mapping[str, Callable[[bytes, str], dict[str, Any]]] = {
    "feed": feeds.entries,
    "sitemap": sitemaps.entries,
    "listing": listings.entries,
    "refusal": listings.refusal,
}


def answer(asked: Mapping[str, str]) -> dict[str, Any]:
    """Return what the document says, or `{"refused": code}`."""
    body = base64.b64decode(asked["body"])
    try:
        if asked["kind"] == "page":
            return pages.article(body, asked["url"], asked["type"])
        return _READERS[asked["kind"]](body, asked["url"])
    except Unreadable as error:
        return {"refused": error.code}


def main() -> int:
    """Answer line by line until the keeper closes stdin; return the exit status."""
    confine(CPU_SECONDS)
    for line in sys.stdin.buffer:
        sys.stdout.write(json.dumps(answer(json.loads(line))) + "\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
