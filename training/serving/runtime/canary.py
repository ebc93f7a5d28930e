"""Canaries: texts whose logits travel with the artifact, so that a wrong model is refused."""

from __future__ import annotations

import json
from pathlib import Path

from training.serving.runtime.engines import Engine

TOLERANCE = 0.05
"""Largest difference of a logit that arithmetic explains; other models differ by more."""

FILE = "canary.json"


class CanaryMismatchError(Exception):
    """The loaded model does not answer its own canary texts as it did when it was trained."""

    code = "canary_mismatch"


def check(engine: Engine, folder: Path, tolerance: float = TOLERANCE) -> float:
    """Run the artifact's canary texts and return the largest difference of a logit.

    Raises:
        CanaryMismatchError: The file is unusable, or a difference is above the tolerance.
    """
    try:
        canary = json.loads((folder / FILE).read_text("utf-8"))
        texts, expected = list(canary["texts"]), list(canary["logits"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CanaryMismatchError(
            f"The artifact's {FILE} cannot be read ({error}); train the model again."
        ) from error
    rows, _ = engine.encode(texts)
    answers = engine.logits(rows) if texts else []
    if [len(row) for row in answers] != [len(row) for row in expected]:
        raise CanaryMismatchError("The model has another number of labels than its canary texts.")
    worst = 0.0
    for found, wanted in zip(answers, expected, strict=True):
        worst = max(worst, *(abs(a - b) for a, b in zip(found, wanted, strict=True)))
    if not texts or worst > tolerance:
        raise CanaryMismatchError(
            f"The model differs by {worst:.3f} from its own canary texts (at most {tolerance});"
            " it was not loaded. Load the version again; if it repeats, train it again."
        )
    return worst
