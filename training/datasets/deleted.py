"""Reads of what is about to be deleted, and of deletions; within the tenant in scope."""

from __future__ import annotations

import uuid

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from modelyard.core.errors import NotFound
from training.datasets import lineage
from training.datasets.models import DatasetVersion, Deletion


def dataset_uses(dataset_id: uuid.UUID) -> list[lineage.Use]:
    """Return the runs, models and deployments made from any version of a dataset."""
    versions = DatasetVersion.objects.filter(dataset=dataset_id).values_list("pk", flat=True)
    return lineage.version_uses(*versions)


def deletion_open() -> QuerySet[Deletion]:
    """Return the deletions that aren't done, with their datasets, newest first."""
    rows = Deletion.objects.select_related("dataset").exclude(status=Deletion.Status.DONE)
    return rows.order_by("-id")


def deletion_get(deletion_id: uuid.UUID) -> Deletion:
    """Return one deletion with its dataset.

    Raises:
        NotFound: There is none here.
    """
    rows = Deletion.objects.select_related("dataset")
    deletion: Deletion | None = rows.filter(pk=deletion_id).first()
    if deletion is None:
        raise NotFound(_("There is no such deletion here. Check the id."))
    return deletion
