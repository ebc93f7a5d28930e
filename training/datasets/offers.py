"""What the freeze form offers by itself: augmentation that was measured to help, and no other.

Who measures stands above datasets and adds itself to `askers` at start.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass

from training.datasets import selectors
from training.datasets.augment.spec import NEED_WORDS


@dataclass(frozen=True)
class Offer:
    """Augmentation that helped a version of the dataset.

    Attributes:
        operations: As `augment.spec` names them.
        per_row: New rows from one row.
        templates: Of the operation of that name.
        number: Of the version it was measured on.
        mean: Macro-F1 with minus without, from 0 to 1.
        low: Lower end of its 95 % interval.
        high: Its upper end.
    """

    operations: tuple[str, ...]
    per_row: int
    templates: tuple[str, ...]
    number: int
    mean: float
    low: float
    high: float


askers: list[Callable[[uuid.UUID], Offer | None]] = []


def augmentation_offer(dataset_id: uuid.UUID) -> Offer | None:
    """Return what to offer for a dataset's next version; None where nothing was found to help.

    What needs a word list is not offered while there is none. Needs an open scope.
    """
    for ask in askers:
        offer = ask(dataset_id)
        if offer is None:
            continue
        if NEED_WORDS & set(offer.operations) and not selectors.words_get(dataset_id):
            continue
        return offer
    return None
