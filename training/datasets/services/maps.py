"""Maps: a job lays a dataset's rows out on a plane, like near like, for people to choose from.

The points are one object in the store, columns one behind the other for n rows: id (16 bytes),
x and y (little-endian uint16), differing (uint8: per cent of the nearest labelled rows with
another label, 255 without), area (uint8), label (uint8: its place in `Map.labels`, 254 for one
beyond those, 255 for none). No text is in it: pages ask for the text of a row as it is now.
"""

from __future__ import annotations

import json
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.utils.translation import gettext as _

from modelyard.core import clock, ids, queue, storage
from modelyard.core.errors import Conflict, Invalid, NotFound
from tenants import access, audit
from tenants.access import Actor
from tenants.scoping.context import tenant_scope
from training.datasets import checking, mapped, selectors
from training.datasets.models import Dataset, Example, Map, Pick
from training.datasets.services import mapper, work
from training.datasets.services.sweeping import work_add
from training.datasets.states import WORK

CHUNK_ROWS = 2_000
KEEP_SECONDS = 2.0
MAX_CHARACTERS = 4_000
"""Of a text; the encoder reads at most 128 tokens from its start."""
MOST_LABELS = 200
OTHER_LABEL, NO_LABEL = 254, 255
MOST_PICKS = 200
"""Kept of a dataset, the newest."""

work_add(Map, "datasets.map", "map_id")


def map_start(*, actor: Actor, dataset_id: uuid.UUID) -> Map:
    """Order a map of the dataset's rows as they are now; needs an open scope. A task makes it.

    Raises:
        Invalid: `no_rows`, `map_of_texts`.
        Conflict: `map_running`.
        NotFound: No such dataset.
    """
    access.require(actor, "data.write")
    dataset = selectors.dataset_get(dataset_id)
    Dataset.objects.select_for_update().get(pk=dataset.pk)
    if dataset.holds_images:
        raise Invalid(
            _("These rows are images, and a map is made of texts. Choose a dataset of texts."),
            code="map_of_texts",
        )
    if not dataset.example_count:
        raise Invalid(_("The dataset has no rows to lay out. Import some."), code="no_rows")
    now = clock.now()
    found, made = Map.objects.get_or_create(dataset=dataset, defaults={"moved_at": now})
    if not made:
        again = Map.objects.filter(pk=found.pk)
        moved = WORK.advance(
            again, "waiting", moved_at=now, error_code="", error_data={}, lease_until=None,
            phase="", done=0, total=0,
        )  # fmt: skip
        if not moved:
            raise Conflict(
                _("A map of these rows is being made. Wait for it, or cancel it."),
                code="map_running",
            )
        found.refresh_from_db()
    audit.record(actor, "map.ordered", found)
    queue.enqueue("datasets.map", tenant_id=str(found.tenant_id), map_id=str(found.pk))
    return found


def map_cancel(*, actor: Actor, dataset_id: uuid.UUID) -> Map:
    """Stop making a map; the former one stays. Needs an open scope.

    Raises:
        Conflict: It ended already.
        NotFound: No such dataset or map.
    """
    access.require(actor, "data.write")
    return work.cancel(actor=actor, row=mapped.map_get(dataset_id))


def pick_create(*, actor: Actor, dataset_id: uuid.UUID, examples: list[uuid.UUID]) -> Pick:
    """Keep rows that somebody chose under an id, so that a filter can name them.

    It changes no row, so whoever may read rows may do it. Needs an open scope.

    Raises:
        Invalid: `pick_wrong`.
        NotFound: No such dataset.
    """
    access.require(actor, "data.read")
    dataset = selectors.dataset_get(dataset_id)
    wanted = set(examples)
    if not 0 < len(examples) <= mapped.MOST_POINTS or not _are_there(dataset.pk, wanted):
        raise Invalid(
            _("Choose 1 to %(most)d rows of this dataset.") % {"most": mapped.MOST_POINTS},
            code="pick_wrong",
        )
    pick: Pick = Pick.objects.create(dataset=dataset, examples=sorted(wanted))
    picks = Pick.objects.filter(dataset=dataset).order_by("-id")
    kept = list(picks.values_list("pk", flat=True)[:MOST_PICKS])
    if len(kept) == MOST_PICKS:
        picks.filter(pk__lt=kept[-1]).delete()
    return pick


def _are_there(dataset_id: uuid.UUID, examples: set[uuid.UUID]) -> bool:
    """Tell whether each is a row of this dataset, removed or not."""
    rows = Example.objects.filter(dataset=dataset_id)
    wanted = sorted(examples)
    chunks = [wanted[at : at + CHUNK_ROWS] for at in range(0, len(wanted), CHUNK_ROWS)]
    return all(rows.filter(pk__in=chunk).count() == len(chunk) for chunk in chunks)


def map_run(*, tenant_id: uuid.UUID, map_id: uuid.UUID) -> None:
    """Make a map, unless somebody does; delivered twice, done once."""
    claimed = work.claim(Map, tenant_id=tenant_id, row_id=map_id)
    if claimed is None:
        return
    try:
        with tempfile.TemporaryDirectory(prefix="modelyard-map-") as folder:
            _Making(claimed, Path(folder)).run()
    except mapper.MapFailed:
        claimed.fail("map_failed")
    except (work.WorkLost, NotFound):
        # Cancelled, or the dataset was deleted, and its map with it.
        return


@dataclass
class _Making:
    """One making of a map by the worker that claimed it."""

    claimed: work.Claim[Map]
    folder: Path
    kept_at: float = 0.0
    phase: str = ""
    examples: list[uuid.UUID] = field(default_factory=list)
    labels: list[str | None] = field(default_factory=list)

    def run(self) -> None:
        """Read, have it laid out, store.

        Raises:
            MapFailed: The engine made none.
            WorkLost: Somebody cancelled it, or the dataset is gone.
        """
        row = self.claimed.row
        with tenant_scope(row.tenant_id):
            mark = checking.rows_mark(row.dataset_id)
            live = selectors.dataset_get(row.dataset_id).example_count
        rows = self.folder / "rows.jsonl"
        with rows.open("w", encoding="utf-8") as stream:
            for text in self._texts(min(live, mapped.MOST_POINTS)):
                stream.write(text)
        if not self.examples:
            self.claimed.fail("map_empty")
            return
        facts = mapper.lay_out(rows, self.folder / "map", self.beat)
        self._store(mark, max(live, len(self.examples)), facts)

    def beat(self, phase: str, done: int, total: int) -> None:
        """Renew the claim and say how far it is, every few seconds and when a phase begins.

        Raises:
            WorkLost: Somebody cancelled it.
        """
        if phase == self.phase and time.monotonic() - self.kept_at < KEEP_SECONDS:
            return
        began = {} if phase == self.phase else {"moved_at": clock.now()}
        self.phase, self.kept_at = phase, time.monotonic()
        with tenant_scope(self.claimed.row.tenant_id):
            self.claimed.keep(phase=phase, done=done, total=total, **began)

    def _texts(self, total: int) -> Iterator[str]:
        """Yield a line for each row: those with the lowest content hashes, an even sample."""
        dataset, last = self.claimed.row.dataset_id, ""
        while len(self.examples) < mapped.MOST_POINTS:
            self.beat("reading", len(self.examples), total)
            size = min(CHUNK_ROWS, mapped.MOST_POINTS - len(self.examples))
            with tenant_scope(self.claimed.row.tenant_id):
                rows = Example.live.filter(dataset=dataset, content_hash__gt=last)
                chunk = list(
                    rows.order_by("content_hash").only("data", "label", "content_hash")[:size]
                )
            for row in chunk:
                self.examples.append(row.pk)
                self.labels.append(row.label)
                line = {"text": row.text[:MAX_CHARACTERS], "label": row.label}
                yield f"{json.dumps(line)}\n"
            if len(chunk) < size:
                return
            last = chunk[-1].content_hash

    def _store(self, mark: str, live: int, facts: dict[str, Any]) -> None:
        """Put the points where the page finds them, and take the former ones away."""
        row = self.claimed.row
        counted = Counter(label for label in self.labels if label is not None)
        legend = sorted(counted.items(), key=lambda one: (-one[1], one[0]))[:MOST_LABELS]
        places = {label: at for at, (label, _rows) in enumerate(legend)}
        codes = bytes(
            NO_LABEL if label is None else places.get(label, OTHER_LABEL) for label in self.labels
        )
        columns = (self.folder / "map" / "points.bin").read_bytes()
        content = b"".join(one.bytes for one in self.examples) + columns + codes
        areas = [
            {**area, "typical": str(self.examples[area["typical"]])} for area in facts["areas"]
        ]
        # Under the map's own id: a dataset's deletion takes whatever lies there.
        name = f"{ids.new().hex}.bin"
        key = storage.tenant_key(row.tenant_id, "datasets", str(row.pk), name)
        storage.put_bytes(key, content)
        former = row.points_key
        try:
            with tenant_scope(row.tenant_id):
                self.claimed.end(
                    "done", phase="", mark=mark, points_key=key, points=len(self.examples),
                    rows=live, base=facts["base"], labels=legend, areas=areas,
                    unlabelled=codes.count(NO_LABEL),
                    made_at=clock.now(), done=len(self.examples), total=len(self.examples),
                )  # fmt: skip
        except work.WorkLost:
            storage.delete(key)
            raise
        if former:
            storage.delete(former)
