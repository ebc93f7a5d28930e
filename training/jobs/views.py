"""What the pages of runs show, put together from selectors; no request is known here."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as later

from modelyard.core import clock
from modelyard.core.http.pagination import keyset
from tenants.selectors import people_named
from training.jobs import failures, progress, selectors
from training.jobs.models import Run, RunEvent
from training.jobs.states import RunStatus
from training.jobs.types import PhaseFacts
from training.registry import words

POINTS = 300
EVENTS_READ = 3000
LOG_LINES = 400
LOG_EVERY_SECONDS = 5.0
PHASES = (
    ("queued", later("Queued")),
    ("loading", later("Loading")),
    ("training", later("Training")),
    ("evaluating", later("Evaluating")),
    ("saving", later("Packaging")),
)
STAFF = "staff"
"""Kind of the event by which an operator says what they did to a run, and why."""
STAFF_ACTS = {
    "requeued": later("%(who)s of our staff put this run back in the queue"),
    "cancelled": later("%(who)s of our staff cancelled this run"),
}
_PHASE_OF = {"tokenizing": "loading", "baseline": "loading", "uploading": "saving"}
STEPS = {
    "loading": later("loading"),
    "tokenizing": later("tokenizing"),
    "baseline": later("training the baseline"),
    "training": later("training"),
    "evaluating": later("evaluating"),
    "saving": later("packaging"),
    "uploading": later("storing"),
}
"""Name of an engine's phase -> the word in the log."""
WARNINGS = {
    "texts_truncated": later("Long texts are cut"),
    "below_baseline": later("Not better than the baseline"),
    "conflicting_labels": later("Some texts have several labels"),
    "repeated_texts": later("Some texts come more than once"),
    "worker_lost": later("The worker was lost, and the run starts again"),
    "checkpoint_broken": later("The checkpoint can't be used"),
}
"""Code of a warning -> its title; others have a general one."""
SENTENCES = {
    "conflicting_labels": later("%(count)d texts appear with more than one label."),
    "repeated_texts": later("%(count)d rows repeat a text of another row."),
    "texts_truncated": later(
        "%(cut)d of %(rows)d train texts are longer than %(tokens)d tokens; "
        "their ends are not read."
    ),
    "below_baseline": later(
        "The baseline is as good or better (%(theirs).3f against %(ours).3f). "
        "More rows, more epochs or another learning rate may help."
    ),
}
"""Code of a warning -> its sentence about its facts; others are shown as the engine wrote them."""


def list_context(cursor: str) -> dict[str, Any]:
    """Return the context of `runs/list.html`."""
    page = keyset(selectors.run_list(), cursor)
    return {"runs": [_line(run) for run in page.rows], "page": {"next": page.next}}


def detail_context(run: Run) -> dict[str, Any]:
    """Return the context of `runs/detail.html`."""
    events = selectors.event_kinds(run.pk, _TOLD, latest=EVENTS_READ)
    best = max(
        (row.payload for row in events if row.kind == "eval"),
        key=lambda payload: payload["macro_f1"],
        default=None,
    )
    baselines = [row.payload["macro_f1"] for row in events if row.kind == "baseline"]
    version = run.output_version
    return {
        **progress_context(run, events),
        "last_seq": run.last_seq,
        "step_words": STEPS,
        "series": _series(events),
        "last_step": run.steps,
        "log": _log(events),
        "best": best,
        "baseline_f1": baselines[-1] if baselines else None,
        "settings": _settings(run),
        "version": version
        and {"id": version.pk, "number": version.number, "model_id": version.model_id},
    }


def progress_context(run: Run, events: Sequence[RunEvent] | None = None) -> dict[str, Any]:
    """Return the context of `runs/_progress.html`."""
    if events is None:
        events = selectors.event_kinds(
            run.pk, ["state", "phase", "warning", STAFF], latest=EVENTS_READ
        )
    cause, remedy = failures.explain(run.error_code, run.error_message)
    epochs = run.summary.get("epochs")
    return {
        "run": {**_line(run), "error_code": run.error_code, "error": cause, "error_help": remedy},
        "progress": {
            "percent": progress.percent_of(run),
            "step": run.step,
            "steps": run.steps,
            "epoch": epochs,
            "epochs": epochs,
            "eta": run.eta_seconds,
        },
        "queue_position": selectors.queue_position(run),
        "phases": phases_of(run, events, now=clock.now()),
        "warnings": _warnings(run, events),
        "helped": _helped(events),
    }


def phases_of(run: Run, events: Sequence[RunEvent], *, now: dt.datetime) -> list[PhaseFacts]:
    """Return the phases of the present attempt with the seconds each took."""
    began = {"queued": run.queued_at}
    if run.status != RunStatus.QUEUED:
        for event in events:
            if event.attempt == run.attempt and (key := _phase_key(event)):
                began.setdefault(key, event.created_at)
    reached = [key for key, _label in PHASES if key in began]
    end = run.finished_at or now
    found = []
    for key, label in PHASES:
        if key not in began:
            state = "done" if run.status == RunStatus.SUCCEEDED else "todo"
            found.append(PhaseFacts(key, str(label), state, None))
            continue
        following = reached[reached.index(key) + 1 :]
        until = began[following[0]] if following else end
        if following or run.status == RunStatus.SUCCEEDED:
            state = "done"
        else:
            state = "todo" if run.is_final else "now"
        seconds = max(0.0, (until - began[key]).total_seconds())
        found.append(PhaseFacts(key, str(label), state, seconds))
    return found


_TOLD = ["state", "phase", "progress", "eval", "baseline", "warning", "succeeded", "failed"]
_TOLD += ["cancelled", STAFF]


def _phase_key(event: RunEvent) -> str:
    if event.kind == "state":
        return "loading" if event.payload["status"] == RunStatus.STARTING else ""
    if event.kind == "phase":
        name = str(event.payload["name"])
        return _PHASE_OF.get(name, name)
    return ""


def _line(run: Run) -> dict[str, Any]:
    """Return what every page says of a run."""
    version = run.dataset_version
    seconds = None
    if run.started_at is not None:
        seconds = ((run.finished_at or clock.now()) - run.started_at).total_seconds()
    who = people_named([run.actor_id]).get(run.actor_id) if run.actor_kind == "user" else None
    return {
        "id": run.pk,
        "number": run.number,
        "model_name": run.model_name,
        "dataset_id": version.dataset_id,
        "dataset_name": version.dataset.name,
        "dataset_version": version.number,
        "dataset_version_id": version.pk,
        "preset": words.preset(run.spec.get("preset")),
        "status": run.status,
        "is_final": run.is_final,
        "percent": None if run.is_final else progress.percent_of(run),
        "macro_f1": run.summary.get("macro_f1"),
        "baseline_f1": run.summary.get("baseline_macro_f1"),
        "created_at": run.created_at,
        "started_by": who or _("an API key"),
        "seconds": seconds,
    }


def _series(events: Sequence[RunEvent]) -> list[dict[str, Any]]:
    """Return at most about 300 points; a step that was done twice counts as done last."""
    points: dict[int, dict[str, Any]] = {}
    for event in events:
        if event.kind in {"progress", "eval"}:
            step = event.payload["step"]
            point = points.setdefault(step, {"step": step, "loss": None, "validation_loss": None})
            key = "loss" if event.kind == "progress" else "validation_loss"
            point[key] = event.payload["loss"]
    ordered = [points[step] for step in sorted(points)]
    stride = max(1, len(ordered) // POINTS)
    return [
        point
        for place, point in enumerate(ordered)
        if place % stride == 0 or point["validation_loss"] is not None or point is ordered[-1]
    ]


def _warnings(run: Run, events: Sequence[RunEvent]) -> list[dict[str, str]]:
    """Return the notes of the present attempt and of the losses before it."""
    found: dict[str, dict[str, str]] = {}
    for event in events:
        if event.kind != "warning":
            continue
        code = str(event.payload["code"])
        if run.is_final and code == run.error_code:
            continue  # the run's end says it already
        if event.attempt == run.attempt or code in failures.FAILURES:
            title = str(WARNINGS.get(code, _("Worth knowing")))
            found[code] = {"title": title, "body": _told(code, event.payload)}
    return list(found.values())


def _helped(events: Sequence[RunEvent]) -> dict[str, Any] | None:
    """Return what an operator did last, who it was and why; None where nobody did anything."""
    for event in reversed(events):
        if event.kind == STAFF:
            title, reason = _staff_words(event)
            return {"title": title, "body": reason, "at": event.created_at}
    return None


def _staff_words(event: RunEvent) -> tuple[str, str]:
    said = event.payload
    sentence = STAFF_ACTS.get(said["act"], later("%(who)s of our staff acted on this run"))
    return str(sentence) % {"who": said["who"]}, _("Reason: %(why)s") % {"why": said["reason"]}


def _told(code: str, said: Mapping[str, Any]) -> str:
    """Return what a code means in the reader's language, else the stored sentence."""
    if said.get("facts") and code in SENTENCES:
        sentence: str = SENTENCES[code] % said["facts"]
        return sentence
    return " ".join(filter(None, failures.explain(code, said["message"])))


def _log(events: Sequence[RunEvent]) -> list[dict[str, Any]]:
    lines = []
    told = None
    for event in events:
        if event.kind == "progress":
            if told and (event.created_at - told).total_seconds() < LOG_EVERY_SECONDS:
                continue
            told = event.created_at
        text, tone = _log_line(event)
        lines.append({"at": event.created_at, "text": text, "tone": tone})
    return lines[-LOG_LINES:]


def _log_line(event: RunEvent) -> tuple[str, str]:
    """Return the words and the tone of one line of the log."""
    said = event.payload
    if event.kind == "failed":
        tail = said.get("stderr")
        sentence = _told(said.get("code", ""), said)
        return f"{sentence}\n{tail}" if tail else sentence, "err"
    if event.kind == STAFF:
        return ". ".join(_staff_words(event)), "warn"
    known = _LINES.get(event.kind)
    if known is None:
        status = said.get("status", event.kind)
        return str(dict(RunStatus.choices).get(status, status)), ""
    text, tone = known
    if event.kind == "warning":
        return _told(said["code"], said), tone
    if event.kind == "phase":
        said = {"name": STEPS.get(said["name"], said["name"])}
    return str(text) % said, tone


_LINES = {
    "progress": (later("step %(step)s  loss %(loss).4f"), ""),
    "eval": (later("step %(step)s  validation loss %(loss).4f, macro F1 %(macro_f1).3f"), "ok"),
    "baseline": (later("baseline  macro F1 %(macro_f1).3f"), ""),
    "phase": (later("phase  %(name)s"), ""),
    "warning": ("%(message)s", "warn"),
    "succeeded": (later("registered  %(model)s v%(version)s"), "ok"),
}


def _settings(run: Run) -> list[tuple[str, Any]]:
    spec = run.spec
    splits = run.dataset_version.split_counts
    rate = spec.get("learning_rate")
    return [
        (_("Base model"), spec["base"]),
        (_("Method"), words.method(spec["method"])),
        (_("Training rows"), number_format(splits.get("train", 0), force_grouping=True)),
        (_("Epochs"), _("%(n)s or more") % {"n": spec["epochs"]}),
        (_("Learning rate"), f"{rate:g}" if rate is not None else _("chosen by rows")),
        (_("Batch"), spec["batch_size"]),
        (_("Max tokens"), spec["max_length"]),
        (_("Seed"), spec["seed"]),
        (_("Attempts"), max(run.attempt, 1)),
    ]
