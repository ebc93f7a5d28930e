"""New texts from one row: by its own seed, so that neither order nor neighbours matter."""

from __future__ import annotations

import random
from collections.abc import Callable

from training.datasets.augment.operations import BY_NAME
from training.datasets.augment.spec import AugmentSpec

_TRIES = 4


def texts_from(
    text: str, *, key: str, seed: int, spec: AugmentSpec, known: Callable[[str], bool]
) -> list[str]:
    """Return up to `spec.per_row` new texts.

    Args:
        text: Of a training row.
        key: What tells the row from others, e.g. its content hash.
        seed: The same seed and key give the same texts.
        spec: What to do.
        known: Whether a text may not be made: a real row has it, or it was made already.
    """
    chance = random.Random(f"{seed}:{key}")  # noqa: S311 - not for secrets; must repeat
    made: list[str] = []
    for _wanted in range(spec.per_row):
        for _try in range(_TRIES):
            new = BY_NAME[chance.choice(spec.operations)](text, chance, spec).strip()
            if new and new != text.strip() and new not in made and not known(new):
                made.append(new)
                break
    return made
