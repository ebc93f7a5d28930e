"""The report of a classifier on labelled rows: equal to scikit-learn's, and a little more.

Only numpy, so that whoever reads a report need not load torch or scikit-learn.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from training.engine.data import Example

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

BOOTSTRAP_DRAWS = 1000
CALIBRATION_BINS = 15
WORST_ERRORS = 50


@dataclass(frozen=True)
class _ClassScores:
    """Per class, float [labels]; a ratio without a denominator is 0, as in scikit-learn."""

    precision: Floats
    recall: Floats
    f1: Floats
    support: Floats
    present: npt.NDArray[np.bool_]


def softmax(logits: npt.NDArray[Any]) -> Floats:
    """Return probabilities, float64 [n, labels]."""
    shifted = logits.astype(np.float64)
    shifted = np.exp(shifted - shifted.max(axis=-1, keepdims=True))
    result: Floats = shifted / shifted.sum(axis=-1, keepdims=True)
    return result


def confusion_matrix(true: Ints, predicted: Ints, labels: int) -> Ints:
    """Return counts, int64 [labels, labels]: rows are true, columns predicted."""
    flat = np.bincount(true * labels + predicted, minlength=labels * labels)
    return flat.reshape(labels, labels).astype(np.int64)


def macro_f1(true: Ints, predicted: Ints, labels: int) -> float:
    """Return the mean F1 over the classes that occur in either, as scikit-learn does."""
    scores = _class_scores(confusion_matrix(true, predicted, labels))
    return float(scores.f1[scores.present].mean())


def classification_report(true: Ints, predicted: Ints, labels: Sequence[str]) -> dict[str, Any]:
    """Return what `sklearn.metrics.classification_report(..., output_dict=True)` returns.

    Labels are those that occur in either array; `zero_division` is 0.
    """
    scores = _class_scores(confusion_matrix(true, predicted, len(labels)))
    columns = (scores.precision, scores.recall, scores.f1, scores.support)
    report: dict[str, Any] = {
        labels[place]: _line(*(float(column[place]) for column in columns))
        for place in np.flatnonzero(scores.present).tolist()
    }
    report["accuracy"] = float((true == predicted).mean())
    kept = [column[scores.present] for column in columns]
    weights, total = kept[3], float(scores.support.sum())
    macro = [float(column.mean()) for column in kept[:3]]
    weighted = [float(np.average(column, weights=weights)) for column in kept[:3]]
    report["macro avg"] = _line(macro[0], macro[1], macro[2], total)
    report["weighted avg"] = _line(weighted[0], weighted[1], weighted[2], total)
    return report


def macro_f1_interval(confusion: Ints, *, seed: int) -> tuple[float, float]:
    """Return the 95 % percentile-bootstrap interval of macro-F1.

    Drawing n rows with replacement is a multinomial draw over the cells of the confusion
    matrix, so no row is touched again (Efron and Tibshirani, 1993, chapter 13).
    """
    random = np.random.default_rng([seed, 4])
    total = int(confusion.sum())
    shares = (confusion / total).ravel()
    values = np.empty(BOOTSTRAP_DRAWS)
    for place in range(BOOTSTRAP_DRAWS):
        draw = random.multinomial(total, shares).reshape(confusion.shape)
        scores = _class_scores(draw)
        values[place] = scores.f1[scores.present].mean()
    low, high = np.percentile(values, (2.5, 97.5))
    return float(low), float(high)


def calibration(true: Ints, probabilities: Floats) -> dict[str, Any]:
    """Return the expected calibration error over 15 equal bins (Guo et al., 2017), and bins."""
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == true
    places = np.minimum((confidence * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    bins = []
    error = 0.0
    for place in range(CALIBRATION_BINS):
        inside = places == place
        count = int(inside.sum())
        if not count:
            continue
        accuracy, mean = float(correct[inside].mean()), float(confidence[inside].mean())
        error += count / len(true) * abs(accuracy - mean)
        bins.append({"confidence": mean, "accuracy": accuracy, "count": count})
    return {"ece": error, "bins": bins}


def comparison(true: Ints, ours: Ints, theirs: Ints) -> dict[str, Any]:
    """Compare two models on the same rows by the exact McNemar test.

    Args:
        true, ours, theirs: class indices, [n].

    Returns:
        The rows that only one of them got right, and the two-sided p-value of their difference
        under "each such row falls to either side by chance" (McNemar 1947, exact binomial form).
    """
    only_ours = int(((ours == true) & (theirs != true)).sum())
    only_theirs = int(((ours != true) & (theirs == true)).sum())
    rows = only_ours + only_theirs
    tail = sum(math.comb(rows, k) for k in range(min(only_ours, only_theirs) + 1))
    return {
        "only_model_right": only_ours,
        "only_baseline_right": only_theirs,
        "p_value": min(1.0, 2 * tail / 2**rows),
    }


def full_report(
    examples: Sequence[Example],
    true: Ints,
    probabilities: Floats,
    labels: Sequence[str],
    *,
    seed: int,
) -> dict[str, Any]:
    """Return the whole report of one model on `examples` (at least one).

    Args:
        examples: the rows, for the list of errors.
        true: class indices, [n].
        probabilities: [n, labels], rows sum to 1.
        labels: names in the order of the class indices.
        seed: of the bootstrap.
    """
    predicted: Ints = probabilities.argmax(axis=1).astype(np.int64)
    confusion = confusion_matrix(true, predicted, len(labels))
    report = classification_report(true, predicted, labels)
    return {
        "examples": len(examples),
        "accuracy": report["accuracy"],
        "macro_f1": report["macro avg"]["f1-score"],
        "macro_f1_interval": list(macro_f1_interval(confusion, seed=seed)),
        # With one label a row, micro-averaged precision, recall and F1 all equal accuracy.
        "micro_f1": report["accuracy"],
        "weighted_f1": report["weighted avg"]["f1-score"],
        "report": report,
        "labels": list(labels),
        "confusion": confusion.tolist(),
        "calibration": calibration(true, probabilities),
        "errors": _worst_errors(examples, predicted, probabilities, labels),
    }


def _worst_errors(
    examples: Sequence[Example], predicted: Ints, probabilities: Floats, labels: Sequence[str]
) -> list[dict[str, Any]]:
    """List the wrong answers given with the most confidence, most confident first."""
    wrong = [
        (float(probabilities[place, chosen]), place, labels[chosen])
        for place, chosen in enumerate(predicted.tolist())
        if labels[chosen] != examples[place].label
    ]
    wrong.sort(key=lambda item: (-item[0], item[1]))
    return [
        {
            "row": examples[place].row,
            "id": examples[place].id,
            "text": examples[place].text,
            "true": examples[place].label,
            "predicted": label,
            "score": score,
        }
        for score, place, label in wrong[:WORST_ERRORS]
    ]


def _class_scores(confusion: npt.NDArray[Any]) -> _ClassScores:
    hits = np.diag(confusion).astype(np.float64)
    chosen = confusion.sum(axis=0).astype(np.float64)
    support = confusion.sum(axis=1).astype(np.float64)
    return _ClassScores(
        precision=_ratio(hits, chosen),
        recall=_ratio(hits, support),
        f1=_ratio(2 * hits, chosen + support),
        support=support,
        present=(chosen + support) > 0,
    )


def _ratio(top: Floats, bottom: Floats) -> Floats:
    return np.divide(top, bottom, out=np.zeros_like(top), where=bottom > 0)


def _line(precision: float, recall: float, f1: float, support: float) -> dict[str, float]:
    return {"precision": precision, "recall": recall, "f1-score": f1, "support": support}
