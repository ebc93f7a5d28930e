"""Making datasets."""

from __future__ import annotations

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from modelyard.core.errors import Invalid
from tenants import access, audit
from tenants.access import Actor
from training.datasets.models import Dataset

MAX_NAME = 120


def dataset_create(*, actor: Actor, name: str) -> Dataset:
    """Make an empty dataset.

    Raises:
        Invalid: `name_missing`, `name_long`, or `name_taken` (names differ by more than case).
    """
    access.require(actor, "data.write")
    name = " ".join(name.split())
    if not name:
        raise Invalid(_("Give the dataset a name."), code="name_missing")
    if len(name) > MAX_NAME:
        raise Invalid(_("A name may have %(n)d characters.") % {"n": MAX_NAME}, code="name_long")
    try:
        with transaction.atomic():
            dataset = Dataset.objects.create(name=name)
    except IntegrityError as error:
        raise Invalid(
            _("There is a dataset of this name already. Choose another name."), code="name_taken"
        ) from error
    audit.record(actor, "dataset.created", dataset, name=name)
    return dataset
