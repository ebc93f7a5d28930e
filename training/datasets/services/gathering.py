"""What all kinds of pulls share: the claim, the deadline, the log of items, the counts."""

from __future__ import annotations

import time
import uuid
from collections import Counter
from collections.abc import Mapping

from django.conf import settings

from modelyard.core import clock
from tenants.scoping.context import tenant_scope
from training.datasets.models import Item, Pull, Upload
from training.datasets.services.visiting import Skipped
from training.datasets.services.work import Claim

KEEP_SECONDS = 2.0
_ALIVE = ("receiving", "verifying", "mapping", "importing", "done")


class PullFailed(Exception):
    """The whole pull failed; `code` is one of `collect.words.FAILED`."""

    def __init__(self, code: str, **detail: object) -> None:
        """Keep code and detail."""
        super().__init__(code)
        self.code = code
        self.detail = detail


class TimeOver(Exception):
    """The pull's time is over: what it has is handed over, the rest comes with the next one."""


class Gathering:
    """One claimed pull at work."""

    def __init__(self, claimed: Claim[Pull]) -> None:
        """Start the clock."""
        self.claimed = claimed
        self.pull = claimed.row
        self.connector = claimed.row.connector
        self.found = 0
        self.done = 0
        self.outcomes: Counter[str] = Counter()
        self.skipped: Counter[str] = Counter()
        self._end = time.monotonic() + settings.PULL_MAX_SECONDS
        self._kept_at = 0.0

    @property
    def tenant_id(self) -> uuid.UUID:
        """The pull's tenant."""
        return self.pull.tenant_id

    def keep(self) -> None:
        """Renew the claim, at most every two seconds.

        Raises:
            WorkLost: The pull was cancelled, or another worker has it.
            TimeOver: It took too long.
        """
        now = time.monotonic()
        if now > self._end:
            raise TimeOver
        if now - self._kept_at > KEEP_SECONDS:
            self._kept_at = now
            with tenant_scope(self.tenant_id):
                self.claimed.keep()

    def total(self, found: int) -> None:
        """Write how many items there are to look at."""
        self.found = found
        with tenant_scope(self.tenant_id):
            self.claimed.keep(total=found)

    def known(self, address: str) -> Item | None:
        """Return what is known of an item, if what was taken from it then is still ours.

        Content that went into an upload that was refused or stopped is not: it is fetched again.
        """
        with tenant_scope(self.tenant_id):
            item = Item.objects.filter(connector=self.connector, address=address).first()
            if item is None or item.upload_id is None:
                return None
            alive = Upload.objects.filter(pk=item.upload_id, status__in=_ALIVE).exists()
        return item if alive else None

    def note(self, address: str, outcome: str, **facts: object) -> None:
        """Write what came of an item, count it, and renew the claim, in one transaction.

        Of an unchanged item, what is known of its content stays.
        """
        self.done += 1
        self.outcomes[outcome] += 1
        fields = {"reason": "", "detail": {}, **facts}
        fields |= {"pull": self.pull, "at": clock.now(), "outcome": outcome}
        with tenant_scope(self.tenant_id):
            self.claimed.keep(done=self.done, counts=self.counts())
            Item.objects.update_or_create(
                connector=self.connector, address=address, defaults=fields
            )

    def skip(self, address: str, why: Skipped) -> None:
        """Write that an item can't be had; what was taken from it earlier is asked for anew."""
        self.skipped[why.code] += 1
        facts: Mapping[str, object] = {"etag": "", "modified": "", "digest": "", "upload_id": None}
        self.note(address, "skipped", reason=why.code, detail=why.detail, **facts)

    def left_out(self, code: str, count: int) -> None:
        """Count items that this pull doesn't look at any more."""
        if count > 0:
            self.skipped[code] += count

    def counts(self) -> dict[str, object]:
        """Return what the pull's row keeps."""
        return {
            "found": self.found,
            "fetched": self.outcomes["fetched"],
            "unchanged": self.outcomes["unchanged"],
            "skipped": dict(self.skipped),
        }


def conditional(item: Item | None) -> dict[str, str]:
    """Return the headers that ask for an item only if it has changed (RFC 9110, section 13)."""
    if item is None:
        return {}
    asked = {"if-none-match": item.etag, "if-modified-since": item.modified}
    return {name: value for name, value in asked.items() if value}


def validators(headers: Mapping[str, str]) -> dict[str, str]:
    """Return what the server said of the content's state, as an item keeps it."""
    etag, modified = headers.get("etag", ""), headers.get("last-modified", "")
    # A value that doesn't fit is not kept: half of it would be a wrong one.
    return {
        "etag": etag if len(etag) <= 512 else "",
        "modified": modified if len(modified) <= 64 else "",
    }
