"""The report of a finished run: figures beside the baseline's, ready to be drawn."""

from __future__ import annotations

from typing import Any

from django.utils.formats import number_format
from django.utils.translation import gettext as _

from modelyard.core.errors import Conflict
from training.jobs.models import Run
from training.registry import artifacts
from training.registry import selectors as registry
from training.registry.types import VersionFacts

ERRORS_SHOWN = 10
SIGNIFICANT = 0.05
"""Exact McNemar p-value under which the page calls a difference clear."""
UNCOMPARED = {"p_value": 1.0}
"""Of a report from before that test was made: nothing is claimed."""


def artifact_of(run: Run) -> VersionFacts:
    """Return the version that the run registered.

    Raises:
        Conflict: `no_report`: it has none (yet).
    """
    if run.output_version_id is None:
        raise Conflict(
            _("There is no report: this run is %(state)s. It comes when the run has finished.")
            % {"state": run.get_status_display()},
            code="no_report",
            state=run.status,
        )
    return registry.version_facts(run.output_version_id)


def metrics_of(facts: VersionFacts) -> dict[str, Any]:
    """Return the whole of `metrics.json`; reads S3, so call it outside a transaction."""
    return artifacts.metrics_read(facts)


def context_of(metrics: dict[str, Any], facts: VersionFacts) -> dict[str, Any]:
    """Return what the report's page draws."""
    test, baseline = metrics["test"], metrics["baseline"]
    low, high = test["macro_f1_interval"]
    rows = test["examples"]
    return {
        "headline": _headline(test, baseline, metrics.get("comparison", UNCOMPARED)["p_value"]),
        "sentence": _(
            "Measured on %(rows)s test rows that training never saw; the baseline is TF-IDF with "
            "logistic regression on the same rows."
        )
        % {"rows": _counted(rows)},
        "stats": [
            _stat(_("Macro F1"), f"{test['macro_f1']:.3f}", f"95%: {low:.3f}–{high:.3f}"),
            _stat(
                _("Baseline"),
                f"{baseline['macro_f1']:.3f}",
                _signed(test["macro_f1"] - baseline["macro_f1"]),
            ),
            _stat(
                _("Accuracy"),
                f"{100 * test['accuracy']:.1f}%",
                _("baseline %(share)s%%") % {"share": f"{100 * baseline['accuracy']:.1f}"},
            ),
            _stat(
                _("Calibration error"),
                f"{100 * test['calibration']['ece']:.1f}%",
                _("how far scores are from the truth"),
            ),
        ],
        "labels": test["labels"],
        "matrix": test["confusion"],
        "test_rows": rows,
        "classes": [_line(label, label, test, baseline) for label in _present(test)],
        "averages": [
            _line("macro avg", _("Macro average"), test, baseline),
            _line("weighted avg", _("Weighted average"), test, baseline),
        ],
        "dots": _dots(test, baseline),
        "dots_finding": _weakest(test),
        "errors": test["errors"][:ERRORS_SHOWN],
        "error_count": round(rows * (1 - test["accuracy"])),
        "version": {"id": facts.id, "number": facts.number, "model_id": facts.model_id},
        "method_rows": _method(metrics),
    }


def _headline(test: dict[str, Any], baseline: dict[str, Any], p_value: float) -> str:
    difference = test["macro_f1"] - baseline["macro_f1"]
    figures = {"ours": f"{test['macro_f1']:.3f}", "theirs": f"{baseline['macro_f1']:.3f}"}
    if difference > 0 and p_value < SIGNIFICANT:
        return _("Macro F1 %(ours)s, clearly above the baseline's %(theirs)s") % figures
    if difference > 0:
        return (
            _("Macro F1 %(ours)s, the baseline %(theirs)s: too few test rows to tell them apart")
            % figures
        )
    return _("Macro F1 %(ours)s, not above the baseline's %(theirs)s") % figures


def _present(test: dict[str, Any]) -> list[str]:
    return [label for label in test["labels"] if isinstance(test["report"].get(label), dict)]


def _line(
    key: str, label: str, test: dict[str, Any], baseline: dict[str, Any]
) -> dict[str, object]:
    ours, theirs = test["report"][key], baseline["report"].get(key)
    f1 = ours["f1-score"]
    other = None if theirs is None else theirs["f1-score"]
    return {
        "label": label,
        "precision": ours["precision"],
        "recall": ours["recall"],
        "f1": f1,
        "support": int(ours["support"]),
        "baseline_f1": other,
        "difference": None if other is None else f1 - other,
    }


def _dots(
    test: dict[str, Any], baseline: dict[str, Any]
) -> list[tuple[str, float, float | None, int]]:
    rows = [_line("macro avg", _("All labels"), test, baseline)]
    rows += [_line(label, label, test, baseline) for label in _present(test)]
    return [
        (str(row["label"]), row["f1"], row["baseline_f1"], row["support"])  # type: ignore[misc]
        for row in rows
    ]


def _weakest(test: dict[str, Any]) -> str:
    scores = [test["report"][name]["f1-score"] for name in _present(test)]
    if min(scores) == max(scores):
        return _("Every label has F1 %(f1)s") % {"f1": f"{min(scores):.3f}"}
    label = min(_present(test), key=lambda name: test["report"][name]["f1-score"])
    return _("%(label)s is the hardest label, F1 %(f1)s") % {
        "label": label,
        "f1": f"{test['report'][label]['f1-score']:.3f}",
    }


def _method(metrics: dict[str, Any]) -> list[tuple[str, object]]:
    rows, training = metrics["data"]["rows"], metrics["training"]
    return [
        (_("Training rows"), _counted(rows["train"])),
        (_("Validation rows"), _counted(rows["validation"])),
        (_("Test rows"), _counted(rows["test"])),
        (_("Interval"), _("95% by bootstrap, 1,000 draws")),
        (_("Baseline"), _baseline_kind(metrics["baseline"])),
        (_("Best epoch"), metrics["validation"]["epoch"]),
        (_("Updates"), _counted(training["steps"])),
        (_("Number format"), training["precision"]),
        (_("Training took"), _("%(n)s s") % {"n": round(training["total_seconds"])}),
    ]


def _counted(value: int) -> str:
    return str(number_format(value, force_grouping=True))


def _baseline_kind(baseline: dict[str, Any]) -> str:
    return f"TF-IDF ({baseline['ngrams']}), C = {baseline['c']:g}"


def _stat(label: str, value: str, hint: str) -> dict[str, str]:
    return {"label": label, "value": value, "hint": hint, "tone": ""}


def _signed(difference: float) -> str:
    points = f"{100 * difference:+.1f}".replace("-", "−")
    return _("%(points)s points against it") % {"points": points}
