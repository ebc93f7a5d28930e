"""Making datasets."""

from __future__ import annotations

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from modelyard.core.errors import Conflict, Invalid
from tenants import access, audit
from tenants.access import Actor
from training.datasets import selectors
from training.datasets.models import Dataset, Example
from training.datasets.models.dataset import OF_IMAGES, OF_TEXTS

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


def task_take(dataset: Dataset, *, images: bool) -> None:
    """Have a dataset take images, or texts; the caller holds the lock of its row.

    One without any row, not even a removed one, takes whatever comes first.

    Raises:
        Conflict: `task_differs`: it holds the other already.
    """
    if dataset.holds_images == images:
        return
    if task_is_set(dataset):
        raise Conflict(refusal_of_task(images=images), code="task_differs", task=dataset.task)
    dataset.task = OF_IMAGES if images else OF_TEXTS
    dataset.save(update_fields=["task"])


def task_is_set(dataset: Dataset) -> bool:
    """Tell whether a dataset has rows, or gets some now, that say what it holds."""
    rows = Example.objects.filter(dataset=dataset.pk)
    return rows.exists() or selectors.upload_moving(dataset.pk).exists()


def refusal_of_task(*, images: bool) -> str:
    """Return why images, or texts, don't go where the others are."""
    if images:
        return _("This dataset holds texts. Make another dataset for the images.")
    return _("This dataset holds images. Make another dataset for the texts.")


def texts_require(dataset: Dataset, sentence: str) -> None:
    """Pass unless the dataset holds images; `sentence` says what is for texts alone.

    Raises:
        Conflict: `texts_only`.
    """
    if dataset.holds_images:
        raise Conflict(sentence, code="texts_only")
