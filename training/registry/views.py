"""What the pages of models show, put together from selectors; no request is known here."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from django.db.models import Count, Max
from django.urls import reverse
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from modelyard.core.http.pagination import keyset
from training.datasets.models import DatasetVersion
from training.registry import selectors, words
from training.registry.models import Model, ModelVersion
from training.registry.states import VersionStatus

LOAD_CODE = """from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
)
folder = "{folder}"
tokenizer = AutoTokenizer.from_pretrained(folder)
model = AutoModelForSequenceClassification.from_pretrained(folder)
batch = tokenizer(["a text"], truncation=True, return_tensors="pt")
print(model.config.id2label[int(model(**batch).logits.argmax())])
"""


def list_context(cursor: str) -> dict[str, Any]:
    """Return the context of `models/list.html`."""
    rows = selectors.model_list().annotate(
        version_count=Count("versions"), changed_at=Max("versions__created_at")
    )
    page = keyset(rows, cursor)
    latest = {version.model_id: version for version in selectors.latest_of_each()}
    shown = [latest[model.pk].pk for model in page.rows if model.pk in latest]
    served = selectors.served_by(shown)
    models = [
        {
            "id": model.pk,
            "name": model.name,
            "task": model.task,
            "versions": model.version_count,
            "latest": _version_line(latest[model.pk], served) if model.pk in latest else None,
            "updated_at": model.changed_at or model.created_at,
        }
        for model in page.rows
    ]
    return {"models": models, "page": {"next": page.next}}


def detail_context(model: Model, slug: str, *, number: int | None = None) -> dict[str, Any]:
    """Return the context of `models/detail.html`; `number` chooses the version that is shown."""
    versions = list(selectors.version_list(model.pk).select_related("dataset_version__dataset"))
    usable = [row for row in versions if row.status == VersionStatus.VERIFIED]
    asked = [row for row in versions if row.number == number]
    shown = next(iter([*asked, *usable, *versions]), None)
    served = selectors.served_by([row.pk for row in versions])
    context = {
        "model": {"id": model.pk, "name": model.name, "sentence": _sentence(len(versions))},
        "versions": [_version_line(row, served) for row in versions],
    }
    return context if shown is None else {**context, **_shown(shown, slug)}


def _shown(version: ModelVersion, slug: str) -> dict[str, Any]:
    name = f"{version.model.name.replace(' ', '-')}-v{version.number}"
    return {
        "version": {
            "id": version.pk,
            "number": version.number,
            "sha256": version.manifest_sha256,
            "bytes": version.bytes,
            "download_url": "",
            "deployable": version.status == VersionStatus.VERIFIED,
        },
        "files": [
            {**file, "url": reverse("models:file", args=[slug, version.pk, file["name"]])}
            for file in [*version.files, {"name": "manifest.json", "bytes": None}]
        ],
        "lineage": _lineage(version, slug),
        "checks": [
            {
                "label": _("Files match their hashes"),
                "value": ngettext("%(n)d file", "%(n)d files", len(version.files))
                % {"n": len(version.files)},
                "ok": version.status != VersionStatus.BROKEN,
            },
            {
                "label": _("Above the baseline"),
                "value": _points(version),
                "ok": (_gain(version) or 0) > 0,
            },
        ],
        "about": _about(version),
        "load_code": LOAD_CODE.format(folder=name),
    }


def _version_line(version: ModelVersion, served: Mapping[uuid.UUID, list[str]]) -> dict[str, Any]:
    metrics = version.metrics
    low, high = metrics.get("macro_f1_low"), metrics.get("macro_f1_high")
    known = low is not None and high is not None
    return {
        "id": version.pk,
        "number": version.number,
        "status": version.status,
        "deployments": served.get(version.pk, []),
        "macro_f1": metrics.get("macro_f1"),
        "interval": (high - low) / 2 if known else None,
        "baseline_f1": metrics.get("baseline_macro_f1"),
        "dataset": f"{version.dataset_version.dataset.name} v{version.dataset_version.number}",
        "run_id": version.run_id,
        "created_at": version.created_at,
    }


def _rows_note(rows: DatasetVersion) -> str:
    counted = {"n": number_format(rows.rows, force_grouping=True)}
    if rows.status in {"deleting", "deleted"}:
        return _("%(n)s rows; this model was trained on a version deleted since") % counted
    return _("%(n)s rows, frozen") % counted


def _lineage(version: ModelVersion, slug: str) -> list[dict[str, str]]:
    rows = version.dataset_version
    return [
        {
            "icon": "database",
            "title": f"{rows.dataset.name} v{rows.number}",
            "url": reverse("datasets:version", args=[slug, rows.pk]),
            "note": _rows_note(rows),
        },
        {
            "icon": "activity",
            "title": _("Run"),
            "url": reverse("runs:detail", args=[slug, version.run_id]),
            "note": _("recipe %(preset)s") % {"preset": words.preset(version.spec.get("preset"))},
        },
        {
            "icon": "box",
            "title": f"{version.model.name} v{version.number}",
            "url": reverse("runs:report", args=[slug, version.run_id]),
            "note": _("read the report"),
        },
    ]


def _about(version: ModelVersion) -> list[tuple[str, Any]]:
    spec = version.spec
    rate = spec.get("learning_rate")
    return [
        (_("Task"), _("text classification")),
        (_("Labels"), ", ".join(version.labels[:12]) + (" …" if len(version.labels) > 12 else "")),
        (_("Base model"), version.base),
        (_("Method"), words.method(spec.get("method"))),
        (_("Epochs"), spec.get("epochs", "–")),
        (_("Learning rate"), "–" if rate is None else f"{rate:g}"),
        (_("Max tokens"), spec.get("max_length", "–")),
        (_("Engine"), version.engine_version),
    ]


def _gain(version: ModelVersion) -> float | None:
    ours, theirs = version.metrics.get("macro_f1"), version.metrics.get("baseline_macro_f1")
    return None if ours is None or theirs is None else float(ours) - float(theirs)


def _points(version: ModelVersion) -> str:
    gain = _gain(version)
    if gain is None:
        return "–"
    return _("%(n)s points") % {"n": f"{100 * gain:+.1f}".replace("-", "−")}


def _sentence(versions: int) -> str:
    counted = ngettext("%(n)d version", "%(n)d versions", versions) % {"n": versions}
    return _("Text classification, %(versions)s.") % {"versions": counted}
