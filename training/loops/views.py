"""What the parts of the loops show, put together from selectors; no request is known here."""

from __future__ import annotations

import uuid
from typing import Any

from django.utils.translation import gettext as _

from training.datasets import reasons
from training.datasets import selectors as datasets
from training.datasets.models import DatasetVersion
from training.jobs import failures
from training.loops import selectors
from training.loops.models import Gain
from training.loops.types import HELPS, HURTS, SAME, SEEDS, TRAININGS


def gain_context(version_id: uuid.UUID) -> dict[str, Any]:
    """Return the context of `loops/_gain.html`."""
    version = datasets.version_row(version_id)
    gain = selectors.gain_find(version_id)
    pairs = _pairs(gain)
    result = gain.result if gain is not None else {}
    return {
        "version": version,
        "gain": gain,
        "moving": gain is not None and gain.status in {"waiting", "running"},
        "percent": selectors.percent(gain) if gain is not None else 0,
        "over": len(gain.trainings) if gain is not None else 0,
        "number": len(TRAININGS),
        "minutes": _minutes(version, gain),
        "problem": problem_of(gain) if gain is not None else "",
        "pairs": pairs,
        "dots": [
            (pair["title"], pair["with"], pair["without"], result.get("rows", 0))
            for pair in pairs
            if pair["difference"] is not None
        ],
        "finding": _finding(result),
        "means": _means(pairs) if result else None,
        "result": result,
    }


def problem_of(gain: Gain) -> str:
    """Return why a measurement failed, in the reader's language; '' where it did not."""
    if not gain.error_code:
        return ""
    stored = str(gain.error_data.get("sentence", ""))
    if gain.error_code in reasons.FILE and not stored:
        return reasons.file_sentence(gain.error_code, gain.error_data)
    cause, remedy = failures.explain(gain.error_code, stored)
    return f"{cause} {remedy}".strip()


def _pairs(gain: Gain | None) -> list[dict[str, Any]]:
    """Return one row a seed of which at least one training is over."""
    if gain is None:
        return []
    scores = {(one["seed"], one["augmented"]): one["macro_f1"] for one in gain.trainings}
    found = []
    for seed in SEEDS:
        plain, augmented = scores.get((seed, False)), scores.get((seed, True))
        if plain is None and augmented is None:
            continue
        both = plain is not None and augmented is not None
        found.append(
            {
                "title": _("Seed %(n)d") % {"n": seed},
                "without": plain,
                "with": augmented,
                "difference": scores[seed, True] - scores[seed, False] if both else None,
            }
        )
    return found


def _means(pairs: list[dict[str, Any]]) -> dict[str, float]:
    return {name: sum(pair[name] for pair in pairs) / len(pairs) for name in ("without", "with")}


def _minutes(version: DatasetVersion, gain: Gain | None) -> dict[str, int]:
    expected = selectors.estimate(version, selectors.left(gain))
    return {"low": max(1, int(expected.low // 60)), "high": max(2, int(-(-expected.high // 60)))}


def _finding(result: dict[str, Any]) -> str:
    if not result:
        return ""
    sentences = {
        HELPS: _("Augmentation helps: %(mean)s points macro-F1"),
        SAME: _("Augmentation makes no measurable difference: %(mean)s points macro-F1"),
        HURTS: _("Augmentation hurts: %(mean)s points macro-F1"),
    }
    return sentences[result["verdict"]] % {"mean": points(result["mean"])}


def points(score: float) -> str:
    """Return a difference of scores in points with its sign: 0.021 is +2.1."""
    return f"{100 * score:+.1f}".replace("-", "−")
