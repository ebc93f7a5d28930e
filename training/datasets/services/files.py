"""Pulls of files: one at an address, or the new and changed objects of a customer's bucket."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote, urlsplit

from modelyard.core import clock, outbound, sealing
from modelyard.core.errors import DomainError, Invalid, QuotaExceeded, TooLarge
from modelyard.core.outbound import Answer
from tenants.scoping.context import tenant_scope
from training.datasets.collect.signing import Access, encoded, query_of, signed
from training.datasets.collect.xml import Unreadable
from training.datasets.models import Connector
from training.datasets.services.gathering import (
    Gathering,
    PullFailed,
    TimeOver,
    conditional,
    validators,
)
from training.datasets.services.reader import Reader
from training.datasets.services.storing import (
    Stored,
    filename_of,
    room,
    stored_forget,
    stored_record,
    stream_store,
)
from training.datasets.services.visiting import Skipped, agent

FILE_SECONDS = 3600.0
LISTING_BYTES = 8 * 1024**2
MAX_OBJECTS = 1_000
PURPOSE = "connector secrets"
ENDINGS = (
    ".csv", ".tsv", ".tab", ".txt", ".json", ".jsonl", ".ndjson", ".parquet", ".xlsx", ".xlsm",
    ".xls", ".ods", ".zip", ".gz", ".conll", ".conllu", ".iob",
)  # fmt: skip
"""Of objects that are brought in; what others hold is not guessed."""
_BY_TYPE = {
    "text/csv": ".csv",
    "text/tab-separated-values": ".tsv",
    "application/json": ".json",
    "application/jsonl": ".jsonl",
    "application/x-ndjson": ".jsonl",
    "text/plain": ".txt",
    "application/zip": ".zip",
    "application/gzip": ".gz",
}
_NAMED = re.compile(r"filename=\"?([^\";]+)")


def url_run(work: Gathering) -> None:
    """Pull one file at an address, if it has changed since the last time."""
    url = str(work.connector.config["url"])
    work.total(1)
    known = work.known(url)
    headers = {"user-agent": agent(), **conditional(known)}
    with _fetched(url, headers, room(work.tenant_id)) as answer:
        if answer.status == 304 and known is not None:
            work.note(url, "unchanged")
            with tenant_scope(work.tenant_id):
                work.claimed.end("done", counts=work.counts())
            return
        if answer.status != 200:
            raise PullFailed("http_status", status=answer.status)
        stored = stream_store(work.pull, url, _filename(answer), answer.chunks(), work.keep)
    _hand_over(work, url, stored, validators(answer.headers))
    with tenant_scope(work.tenant_id):
        work.claimed.end("done", counts=work.counts())


def _filename(answer: Answer) -> str:
    """Return the file's name: what the server calls it, or the address's last word."""
    named = _NAMED.search(answer.headers.get("content-disposition", ""))
    name = filename_of(named[1] if named else unquote(urlsplit(answer.url).path), "file")
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    return name if name.lower().endswith(ENDINGS) else name + _BY_TYPE.get(kind, "")


@contextmanager
def _fetched(url: str, headers: Mapping[str, str], most: int) -> Iterator[Answer]:
    """Yield the answer; its faults, and ours while it is read, become one of the pull."""
    try:
        with outbound.opened(
            "GET", url, headers=headers, max_bytes=most, seconds=FILE_SECONDS
        ) as answer:
            yield answer
    except (Invalid, TooLarge) as error:
        code = "file_too_large" if error.code == "fetch_too_large" else error.code
        raise PullFailed(code, sentence=error.message) from error


def _hand_over(work: Gathering, address: str, stored: Stored, facts: Mapping[str, str]) -> None:
    """Make an upload of a stored file, and note the item, unless the claim is lost."""
    try:
        _require_content(stored)
        with tenant_scope(work.tenant_id):
            work.claimed.keep()
            stored_record(work.pull, stored)
            work.note(address, "fetched", upload_id=stored.upload_id, **facts)
    except BaseException as error:
        stored_forget(work.pull, address)
        if isinstance(error, QuotaExceeded):
            raise PullFailed(error.code, sentence=error.message) from error
        raise


def _require_content(stored: Stored) -> None:
    if not stored.size:
        raise PullFailed("file_empty")


class Bucket:
    """A customer's bucket, asked through the guarded client."""

    def __init__(self, connector: Connector, reader: Reader) -> None:
        """Read the connector's config and secret.

        Raises:
            PullFailed: `secret_unreadable`, or the endpoint is no address.
        """
        config = connector.config
        self._reader = reader
        try:
            secret = sealing.unseal(
                bytes(connector.secret_sealed or b""),
                purpose=PURPOSE,
                bound_to=connector.pk.bytes,
            )
            target = outbound.target_of(str(config["endpoint"]))
        except sealing.SealBroken as error:
            raise PullFailed("secret_unreadable") from error
        except DomainError as error:
            raise PullFailed(error.code) from error
        self._access = Access(str(config["access_key"]), secret, str(config["region"]))
        self._prefix = str(config["prefix"])
        base = f"{target.scheme}://{target.authority}"
        self._base = f"{base}/{encoded(str(config['bucket']))}"

    @contextmanager
    def opened(self, address: str, most: int) -> Iterator[Answer]:
        """Yield the answer to a signed GET of `address` (path below the bucket, or a query)."""
        url = self._base + address
        headers = {"user-agent": agent(), **signed(url, self._access, clock.now())}
        with _fetched(url, headers, most) as answer:
            yield answer

    def listed(self) -> Iterator[dict[str, Any]]:
        """Yield every object below the prefix: `key`, `bytes`, `etag`."""
        token = ""
        while True:
            fields = {"list-type": "2", "prefix": self._prefix}
            query = query_of(fields | ({"continuation-token": token} if token else {}))
            with self.opened(f"/?{query}", LISTING_BYTES) as answer:
                body, status = answer.read(), answer.status
            try:
                page = self._reader.ask("listing" if status == 200 else "refusal", body)
            except Unreadable as error:
                raise PullFailed(error.code) from error
            if status != 200:
                raise PullFailed("bucket_refused", says=page["code"], status=status)
            yield from page["objects"]
            token = page["token"]
            if not token:
                return


def s3_run(work: Gathering) -> None:
    """Pull the new and changed objects of a bucket; each becomes an upload."""
    with Reader() as reader:
        bucket = Bucket(work.connector, reader)
        objects = [one for one in bucket.listed() if not one["key"].endswith("/")]
        work.left_out("over_page_limit", len(objects) - MAX_OBJECTS)
        objects = objects[:MAX_OBJECTS]
        work.total(len(objects))
        try:
            for one in objects:
                work.keep()
                _object(work, bucket, one)
        except TimeOver:
            work.left_out("time_over", work.found - work.done)
    with tenant_scope(work.tenant_id):
        work.claimed.end("done", counts=work.counts())


def _object(work: Gathering, bucket: Bucket, one: Mapping[str, Any]) -> None:
    key, etag = str(one["key"]), str(one["etag"])
    known = work.known(key)
    if known is not None and etag and known.etag == etag:
        work.note(key, "unchanged")
        return
    try:
        stored = _object_stored(work, bucket, one)
    except Skipped as why:
        work.skip(key, why)
        return
    _hand_over(work, key, stored, {"etag": etag})


def _object_stored(work: Gathering, bucket: Bucket, one: Mapping[str, Any]) -> Stored:
    """Bring an object to our store; one that can't be had doesn't stop the others."""
    key, most = str(one["key"]), room(work.tenant_id)
    _require_takable(key, int(one["bytes"]), most)
    try:
        with bucket.opened("/" + encoded(key, slash=True), most) as answer:
            if answer.status != 200:
                raise Skipped("http_status", status=answer.status)
            name = filename_of(key, "file")
            return stream_store(work.pull, key, name, answer.chunks(), work.keep)
    except PullFailed as failure:
        code = "object_too_large" if failure.code == "file_too_large" else failure.code
        raise Skipped(code, **failure.detail) from failure


def _require_takable(key: str, size: int, most: int) -> None:
    if not key.lower().endswith(ENDINGS):
        raise Skipped("format_unknown")
    if not size:
        raise Skipped("object_empty")
    if size > most:
        raise Skipped("object_too_large")
