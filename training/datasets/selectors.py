"""Reads of datasets, uploads, examples and versions, within the tenant in scope."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from django.db import connection
from django.db.models import BigIntegerField, Count, F, OuterRef, Q, QuerySet, Subquery, Sum, Value
from django.db.models.functions import Coalesce
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from modelyard.core import clock
from modelyard.core.errors import Conflict, NotFound
from tenants.scoping.context import current_tenant_id, tenant_scope
from training.datasets.models import (
    Change,
    Comparison,
    Dataset,
    DatasetVersion,
    Example,
    Tally,
    Upload,
    WordList,
)
from training.datasets.types import Finding, Progress, VersionFacts

FEW_ROWS_A_LABEL = 20
_BIG = BigIntegerField()
_HASH = """
select encode(sha256(convert_to(coalesce(
  string_agg(content_hash, E'\\n' order by content_hash), ''), 'UTF8')), 'hex')
from datasets_example where tenant_id = %s and dataset_id = %s and removed_in is null
"""


def _versions() -> Coalesce:
    rows = DatasetVersion.objects.filter(dataset=OuterRef("pk")).order_by().values("dataset")
    return Coalesce(Subquery(rows.annotate(n=Count("id")).values("n")), 0)


def _live_rows() -> Coalesce:
    rows = Tally.objects.filter(dataset=OuterRef("pk")).order_by().values("dataset")
    return Coalesce(Subquery(rows.annotate(n=Sum("rows")).values("n")), Value(0), output_field=_BIG)


def dataset_list() -> QuerySet[Dataset]:
    """Return the datasets with `example_count` and `version_count`, newest first."""
    counts = {"example_count": _live_rows(), "version_count": _versions()}
    return Dataset.objects.filter(deleted_at=None).annotate(**counts).order_by("-id")


def dataset_count() -> int:
    """Return how many datasets the tenant has."""
    return Dataset.objects.filter(deleted_at=None).count()


def dataset_get(dataset_id: uuid.UUID) -> Dataset:
    """Return one dataset, counted as in `dataset_list`.

    Raises:
        NotFound: There is none here.
    """
    dataset: Dataset | None = dataset_list().filter(pk=dataset_id).first()
    if dataset is None:
        raise NotFound(_("There is no such dataset here. Check the address."))
    return dataset


def label_counts(dataset_id: uuid.UUID) -> dict[str, int]:
    """Return how many examples each label has, most frequent first; unlabelled are left out."""
    rows = Tally.objects.filter(dataset=dataset_id, label__isnull=False, rows__gt=0)
    ordered = rows.order_by("-rows", "label").values_list("label", "rows")
    return {str(label): int(n) for label, n in ordered}


def label_totals(dataset_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, int]:
    """Return how many different labels each dataset has."""
    rows = (
        Tally.objects.filter(dataset__in=dataset_ids, label__isnull=False, rows__gt=0)
        .order_by()
        .values_list("dataset")
        .annotate(n=Count("id"))
    )
    return dict(rows)


def dataset_hash(dataset_id: uuid.UUID) -> str:
    """Return the SHA-256, in hex, over the sorted content of the live rows.

    The same rows give the same hash in whatever order they came; one character more gives
    another.
    """
    with connection.cursor() as cursor:
        cursor.execute(_HASH, [current_tenant_id(), dataset_id])
        return str(cursor.fetchone()[0])


def example_get(example_id: uuid.UUID) -> Example:
    """Return one row, removed or not.

    Raises:
        NotFound: There is none here.
    """
    example: Example | None = Example.objects.filter(pk=example_id).first()
    if example is None:
        raise NotFound(_("There is no such row here. Check the id."))
    return example


def words_get(dataset_id: uuid.UUID) -> dict[str, list[str]]:
    """Return the dataset's word list, word -> replacements; {} without one."""
    found = WordList.objects.filter(dataset=dataset_id).values_list("entries", flat=True).first()
    return dict(found or {})


def comparisons_of(version_id: uuid.UUID) -> QuerySet[Comparison]:
    """Return the comparisons of a version with others, or with the rows of today."""
    return Comparison.objects.filter(Q(before=version_id) | Q(after=version_id))


def comparison_get(comparison_id: uuid.UUID) -> Comparison:
    """Return one comparison with its versions.

    Raises:
        NotFound: There is none here.
    """
    rows = Comparison.objects.select_related("dataset", "before", "after")
    found: Comparison | None = rows.filter(pk=comparison_id).first()
    if found is None:
        raise NotFound(_("There is no such comparison here. Check the address."))
    return found


def change_list(dataset_id: uuid.UUID) -> QuerySet[Change]:
    """Return a dataset's changes, newest first."""
    return Change.objects.filter(dataset=dataset_id).order_by("-id")


def changed_since(version: DatasetVersion) -> bool:
    """Tell whether rows were changed or a change undone after a version was frozen."""
    ended = Change.objects.filter(dataset=version.dataset_id, finished_at__gt=version.frozen_at)
    return ended.filter(status__in=["done", "undone"], rows__gt=0).exists()


def change_get(change_id: uuid.UUID) -> Change:
    """Return one change with its dataset.

    Raises:
        NotFound: There is none here.
    """
    change: Change | None = Change.objects.select_related("dataset").filter(pk=change_id).first()
    if change is None:
        raise NotFound(_("There is no such change here. Check the address."))
    return change


def conflicting_texts(dataset_id: uuid.UUID) -> int:
    """Return how many texts, or images, carry more than one label."""
    return (
        Example.live.filter(dataset=dataset_id, label__isnull=False)
        .order_by()
        .values("group_hash")
        .annotate(n=Count("id"))
        .filter(n__gt=1)
        .count()
    )


def _conflict(dataset_id: uuid.UUID, conflicts: int) -> str:
    if Dataset.objects.get(pk=dataset_id).holds_images:
        sentence = ngettext(
            "%(n)d image has more than one label. Decide which is right: no model learns both.",
            "%(n)d images have more than one label. Decide which is right: no model learns both.",
            conflicts,
        )
    else:
        sentence = ngettext(
            "%(n)d text has more than one label. Decide which is right: no model learns both.",
            "%(n)d texts have more than one label. Decide which is right: no model learns both.",
            conflicts,
        )
    return sentence % {"n": conflicts}


def finding_list(dataset_id: uuid.UUID, *, texts: bool = True) -> list[Finding]:
    """Return what the owner should know before training: conflicts, missing and rare labels.

    Args:
        dataset_id: Of which dataset.
        texts: Whether to compare texts too, which reads every row.
    """
    found: list[Finding] = []
    if texts and (conflicts := conflicting_texts(dataset_id)):
        found.append(Finding("conflicting_labels", conflicts, _conflict(dataset_id, conflicts)))
    bare = Tally.objects.filter(dataset=dataset_id, label=None).values_list("rows", flat=True)
    unlabelled = bare.first() or 0
    if unlabelled:
        sentence = ngettext(
            "%(n)d example has no label; it stays in the dataset and out of versions.",
            "%(n)d examples have no label; they stay in the dataset and out of versions.",
            unlabelled,
        )
        found.append(Finding("unlabelled", unlabelled, sentence % {"n": unlabelled}))
    rare = [name for name, n in label_counts(dataset_id).items() if n < FEW_ROWS_A_LABEL]
    if rare:
        sentence = _("Few examples (under %(few)d) of: %(labels)s. Add more for a label you need.")
        words = {"few": FEW_ROWS_A_LABEL, "labels": ", ".join(rare[:10])}
        found.append(Finding("rare_labels", len(rare), sentence % words))
    return found


def upload_list(dataset_id: uuid.UUID) -> QuerySet[Upload]:
    """Return a dataset's uploads, newest first."""
    return Upload.objects.filter(dataset=dataset_id).order_by("-id")


def upload_same(dataset_id: uuid.UUID, filename: str, size: int, fingerprint: str) -> Upload | None:
    """Return the newest upload of this very file that hasn't ended; None without one."""
    if not fingerprint:
        return None
    going = ("receiving", "verifying", "mapping", "importing")
    rows = Upload.objects.filter(
        dataset=dataset_id, status__in=going, filename=filename, bytes=size
    )
    return rows.filter(fingerprint=fingerprint).order_by("-id").first()


def upload_receiving(dataset_id: uuid.UUID) -> QuerySet[Upload]:
    """Return a dataset's uploads that are still on their way, newest first."""
    return Upload.objects.filter(dataset=dataset_id, status="receiving").order_by("-id")


def upload_moving(dataset_id: uuid.UUID) -> QuerySet[Upload]:
    """Return the uploads that put rows into a dataset now, or whose rows are taken out of it."""
    leaving = Q(status__in=["abandoned", "rejected"], lease_until__isnull=False)
    return Upload.objects.filter(leaving | Q(status="importing"), dataset=dataset_id)


def upload_active() -> QuerySet[Upload]:
    """Return the uploads that are being imported, newest first."""
    return Upload.objects.filter(status="importing").order_by("-id")


def upload_get(upload_id: uuid.UUID) -> Upload:
    """Return one upload with its dataset.

    Raises:
        NotFound: There is none here.
    """
    upload: Upload | None = Upload.objects.select_related("dataset").filter(pk=upload_id).first()
    if upload is None:
        raise NotFound(_("There is no such upload here. Check the address."))
    return upload


def upload_progress(upload: Upload) -> Progress:
    """Return how far an import is; the estimate is bytes to go at the speed so far."""
    total = max(1, upload.bytes)
    if upload.started_at is None:
        return Progress(0, total, 0, 0, None)
    seconds = ((upload.finished_at or clock.now()) - upload.started_at).total_seconds()
    done = min(upload.bytes_done, total)
    eta: int | None = None
    if upload.finished_at is not None:
        eta = 0
    elif done and seconds >= 1:
        eta = max(1, round((total - done) * seconds / done))
    speed = round(upload.rows_read / seconds) if seconds > 0 else 0
    return Progress(done, total, done * 100 // total, speed, eta)


def rejects_key(upload_id: uuid.UUID) -> str:
    """Return the S3 key of an upload's rejects file.

    Raises:
        NotFound: The upload rejected no row, or isn't done.
    """
    upload = upload_get(upload_id)
    if not upload.rejects_key:
        raise NotFound(_("This upload has no rejected rows to download."), code="no_rejects")
    return upload.rejects_key


def version_list(dataset_id: uuid.UUID) -> QuerySet[DatasetVersion]:
    """Return a dataset's versions, newest first."""
    return DatasetVersion.objects.filter(dataset=dataset_id).order_by("-id")


def version_latest(dataset_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, DatasetVersion]:
    """Return the newest version of each dataset that has one."""
    rows = (
        DatasetVersion.objects.filter(dataset__in=dataset_ids)
        .order_by("dataset", "-number")
        .distinct("dataset")
    )
    return {version.dataset_id: version for version in rows}


def version_frozen_latest(dataset_id: uuid.UUID) -> DatasetVersion | None:
    """Return a dataset's newest frozen version, or None."""
    rows = DatasetVersion.objects.filter(dataset=dataset_id, status="frozen")
    return rows.order_by("-number").first()


def version_frozen_list() -> QuerySet[DatasetVersion]:
    """Return every frozen version of the tenant with its dataset, newest first."""
    return DatasetVersion.objects.select_related("dataset").filter(status="frozen").order_by("-id")


def version_row(version_id: uuid.UUID) -> DatasetVersion:
    """Return one version with its dataset, whatever its status.

    Raises:
        NotFound: There is none here.
    """
    version: DatasetVersion | None = (
        DatasetVersion.objects.select_related("dataset").filter(pk=version_id).first()
    )
    if version is None:
        raise NotFound(_("There is no such dataset version here. Check the id."))
    return version


def version_get(version_id: uuid.UUID) -> VersionFacts:
    """Return the facts of a frozen version.

    Raises:
        NotFound: There is none here.
        Conflict: `version_not_frozen`.
    """
    version = version_row(version_id)
    if version.status != DatasetVersion.Status.FROZEN:
        raise Conflict(
            _("This dataset version is %(state)s. Wait until it is frozen, or freeze a new one.")
            % {"state": version.get_status_display()},
            code="version_not_frozen",
            state=version.status,
        )
    return VersionFacts(
        id=version.pk,
        dataset_id=version.dataset.pk,
        dataset_name=version.dataset.name,
        number=version.number,
        holds_images=version.dataset.holds_images,
        rows=version.rows,
        label_counts=dict(version.label_counts),
        split_counts=dict(version.split_counts),
        content_hash=version.content_hash,
        rows_key=version.rows_key,
    )


def version_progress(version: DatasetVersion) -> tuple[int, int | None]:
    """Return how far a freeze is, in percent, and the seconds to go (None: not known yet)."""
    if not version.total or version.started_at is None:
        return 0, None
    seconds = (clock.now() - version.started_at).total_seconds()
    percent = min(99, version.done * 100 // version.total)
    if not version.done or seconds < 1:
        return percent, None
    return percent, max(1, round((version.total - version.done) * seconds / version.done))


def example_count(tenant_id: uuid.UUID) -> int:
    """Count the tenant's live examples (billing's stock `examples`)."""
    with tenant_scope(tenant_id):
        return int(Tally.objects.aggregate(n=Sum("rows"))["n"] or 0)


def stored_bytes(tenant_id: uuid.UUID) -> int:
    """Count the bytes of the tenant's uploads and of their images (stock `storage_bytes`)."""
    with tenant_scope(tenant_id):
        kept = Upload.objects.exclude(status__in=["abandoned", "rejected"])
        return int(kept.aggregate(n=Sum(F("bytes") + F("image_bytes")))["n"] or 0)
