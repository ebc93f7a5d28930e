"""A dataset's word list."""

from __future__ import annotations

import uuid

from modelyard.core.errors import Invalid
from tenants import access, audit
from tenants.access import Actor
from training.datasets import reasons, selectors
from training.datasets.augment.words import WordsWrong, words_of
from training.datasets.models import WordList


def words_set(*, actor: Actor, dataset_id: uuid.UUID, text: str) -> dict[str, list[str]]:
    """Replace the word list by one of CSV (word, replacements); '' removes it.

    Needs an open scope. Versions that were frozen keep the words they were made with.

    Raises:
        Invalid: `words_line`, `words_many`.
        NotFound: No such dataset.
    """
    access.require(actor, "data.write")
    dataset = selectors.dataset_get(dataset_id)
    try:
        entries = words_of(text) if text.strip() else {}
    except WordsWrong as wrong:
        detail = {"line": wrong.line}
        raise Invalid(
            reasons.version_sentence(wrong.code, detail), code=wrong.code, **detail
        ) from wrong
    row, _new = WordList.objects.update_or_create(dataset=dataset, defaults={"entries": entries})
    audit.record(actor, "words.changed", row, words=len(entries))
    return entries
