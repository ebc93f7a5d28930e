"""How each check finds its answer: rows in, flags and a result out. For workers only."""

from __future__ import annotations

import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

from tenants.scoping.context import tenant_scope
from training.datasets import selectors
from training.datasets.health.finder import Finder, Found, Row
from training.datasets.models import Check, Example, Flag, Tally, VersionRow
from training.datasets.services import work

CHUNK_ROWS = 2_000
KEEP_SECONDS = 2.0
_RARE = 20


class Asking:
    """One run of a check by the worker that claimed it."""

    def __init__(self, claimed: work.Claim[Check]) -> None:
        """Start before the first row."""
        self.claimed = claimed
        self.check = claimed.row
        self.seen = 0
        self.kept_at = time.monotonic()
        self.waiting: list[Flag] = []

    def beat(self) -> None:
        """Renew the claim, every few seconds.

        Raises:
            WorkLost: Somebody cancelled the check.
        """
        if time.monotonic() - self.kept_at > KEEP_SECONDS:
            self.kept_at = time.monotonic()
            with tenant_scope(self.check.tenant_id):
                self.claimed.keep(done=self.seen)

    def rows(self) -> Iterator[Row]:
        """Yield the dataset's live rows by id, a short transaction a chunk."""
        last: uuid.UUID | None = None
        while True:
            with tenant_scope(self.check.tenant_id):
                rows = Example.live.filter(dataset=self.check.dataset_id)
                if last is not None:
                    rows = rows.filter(pk__gt=last)
                chunk = list(rows.order_by("pk").only("data", "label")[:CHUNK_ROWS])
                self.seen += len(chunk)
                self.claimed.keep(done=self.seen)
            for row in chunk:
                yield Row(str(row.pk), row.text, row.label)
            if len(chunk) < CHUNK_ROWS:
                return
            last = chunk[-1].pk

    def placed(self, version_id: uuid.UUID) -> Iterator[tuple[str, Row]]:
        """Yield (split, row) of a frozen version."""
        last: uuid.UUID | None = None
        while True:
            with tenant_scope(self.check.tenant_id):
                places = VersionRow.objects.filter(version=version_id).select_related("example")
                if last is not None:
                    places = places.filter(pk__gt=last)
                chunk = list(places.order_by("pk")[:CHUNK_ROWS])
                self.seen += len(chunk)
                self.claimed.keep(done=self.seen)
            for place in chunk:
                row = place.example
                yield place.split, Row(str(row.pk), row.text, row.label)
            if len(chunk) < CHUNK_ROWS:
                return
            last = chunk[-1].pk

    def flag(
        self, row: str, *, group: str | None = None, keep: bool = False, data: Found | None = None
    ) -> None:
        """Point at a row."""
        self.waiting.append(
            Flag(
                source_id=self.check.pk,
                example_id=uuid.UUID(row),
                group=uuid.UUID(group) if group else None,
                keep=keep,
                data=data or {},
                tenant_id=self.check.tenant_id,
            )
        )
        if len(self.waiting) >= CHUNK_ROWS:
            self.write()

    def write(self) -> None:
        """Store the flags that wait."""
        with tenant_scope(self.check.tenant_id):
            self.claimed.keep()
            Flag.objects.bulk_create(self.waiting)
        self.waiting = []


def _labels(asking: Asking) -> Found:
    """Count rows by label; the tallies know."""
    with tenant_scope(asking.check.tenant_id):
        rows = Tally.objects.filter(dataset=asking.check.dataset_id, rows__gt=0)
        counts = dict(rows.values_list("label", "rows"))
    unlabelled = counts.pop(None, 0)
    ordered = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    asking.seen = unlabelled + sum(counts.values())
    return {
        "rows": sum(1 for _name, n in ordered if n < _RARE),
        "labels": ordered[:50],
        "count": len(ordered),
        "labelled": sum(counts.values()),
        "unlabelled": unlabelled,
        "ratio": round(ordered[0][1] / ordered[-1][1], 1) if ordered else 0,
    }


def _one_pass(asking: Asking, finder: Finder) -> Found:
    for row in asking.rows():
        found = finder.see(row)
        if found is not None:
            asking.flag(row.id, data=found)
    return finder.result()


def _lengths(asking: Asking) -> Found:
    from training.datasets.health.lengths import Lengths  # noqa: PLC0415 - workers only
    from training.engine import catalog, spec  # noqa: PLC0415 - workers only

    folder = catalog.resolve(catalog.DEFAULT_BASE).folder
    return _one_pass(asking, Lengths(folder / "tokenizer.json", spec.TrainSpec.max_length))


def _language(asking: Asking) -> Found:
    from training.datasets.health.language import Languages  # noqa: PLC0415 - workers only

    return _one_pass(asking, Languages())


def _noise(asking: Asking) -> Found:
    from training.datasets.health.noise import Noise  # noqa: PLC0415 - workers only

    return _one_pass(asking, Noise())


def _personal(asking: Asking) -> Found:
    from training.datasets.health.personal import Personal  # noqa: PLC0415 - workers only

    return _one_pass(asking, Personal())


def _flag_groups(asking: Asking, groups: Iterable[Sequence[tuple[str, str | None]]]) -> Found:
    """Point at each row of each group, and say which one stays."""
    from training.datasets.health.same import kept_of  # noqa: PLC0415 - workers only

    sizes: Counter[int] = Counter()
    more = 0
    for members in groups:
        kept = kept_of(list(members))
        sizes[len(members)] += 1
        more += len(members) - 1
        for row, _label in members:
            asking.flag(row, group=kept, keep=row == kept)
    return {
        "rows": more,
        "groups": sum(sizes.values()),
        "sizes": [[size, count] for size, count in sorted(sizes.items())[:20]],
    }


def _repeats(asking: Asking) -> Found:
    from training.datasets.health.same import same_texts  # noqa: PLC0415 - workers only

    return _flag_groups(asking, same_texts(asking.rows()))


def _near(asking: Asking) -> Found:
    from training.datasets.health import near  # noqa: PLC0415 - workers only

    found = near.groups(((row.id, row.text) for row in asking.rows()), beat=asking.beat)
    labels = _labels_of(asking, list(found))
    groups: dict[str, list[tuple[str, str | None]]] = {}
    for row, group in found.items():
        groups.setdefault(group, []).append((row, labels.get(row)))
    return _flag_groups(asking, groups.values())


def _labels_of(asking: Asking, rows: Sequence[str]) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for at in range(0, len(rows), CHUNK_ROWS):
        asking.beat()
        with tenant_scope(asking.check.tenant_id):
            chunk = Example.objects.filter(pk__in=rows[at : at + CHUNK_ROWS])
            found.update((str(key), label) for key, label in chunk.values_list("pk", "label"))
    return found


def _conflicts(asking: Asking) -> Found:
    from training.datasets.health.same import same_texts  # noqa: PLC0415 - workers only

    pairs: Counter[tuple[str, ...]] = Counter()
    rows = texts = 0
    for members in same_texts(asking.rows()):
        labels = sorted({label for _row, label in members if label is not None})
        if len(labels) < 2:
            continue
        texts += 1
        pairs[tuple(labels)] += 1
        for row, label in members:
            if label is not None:
                rows += 1
                asking.flag(row, group=members[0][0])
    return {"rows": rows, "texts": texts, "pairs": [[list(k), n] for k, n in pairs.most_common(30)]}


def _leakage(asking: Asking) -> Found:
    """Find texts of the newest frozen version that stand in two splits of it."""
    from training.datasets.health import near  # noqa: PLC0415 - workers only

    with tenant_scope(asking.check.tenant_id):
        version = selectors.version_frozen_latest(asking.check.dataset_id)
    if version is None:
        return {"rows": 0, "version": None, "splits": []}
    splits: dict[str, str] = {}

    def rows() -> Iterator[tuple[str, str]]:
        for split, row in asking.placed(version.pk):
            splits[row.id] = split
            yield row.id, row.text

    groups: dict[str, list[str]] = {}
    for row, group in near.groups(rows(), beat=asking.beat).items():
        groups.setdefault(group, []).append(row)
    crossings: Counter[tuple[str, ...]] = Counter()
    flagged = 0
    for group, members in groups.items():
        across = tuple(sorted({splits[row] for row in members}))
        if len(across) > 1:
            crossings[across] += len(members)
            flagged += len(members)
            for row in members:
                asking.flag(row, group=group, data={"split": splits[row]})
    pairs = [[list(across), count] for across, count in sorted(crossings.items())]
    return {"rows": flagged, "version": version.number, "splits": pairs}


QUESTIONS: dict[str, Callable[[Asking], Found]] = {
    "labels": _labels,
    "lengths": _lengths,
    "language": _language,
    "repeats": _repeats,
    "near": _near,
    "conflicts": _conflicts,
    "noise": _noise,
    "personal": _personal,
    "leakage": _leakage,
}
