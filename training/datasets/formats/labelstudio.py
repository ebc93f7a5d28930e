"""Label Studio's JSON export: a list of tasks with their annotations. Pure.

Columns are the task's data, and each group of choices under its `from_name`; spans of text labels
become `spans` (`[[start, end, label], ...]`, in code points). `label_studio` keeps the task but for
its data, so that an export gives the same task back.
Source: Label Studio documentation, "Export annotations", JSON.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TextIO

from training.datasets.formats.records import Entry, Fault, shown

REST = "label_studio"


def recognises(entries: Sequence[Entry]) -> bool:
    """Tell whether these are tasks."""
    found = sum(
        isinstance(entry.values.get("data"), dict)
        and any(name in entry.values for name in ("annotations", "completions", "predictions"))
        for entry in entries
    )
    return found > 0.5 * len(entries)


def _valid(annotations: object) -> list[dict[str, Any]]:
    """Return the annotations that count: not cancelled, the ground truth alone if there is one."""
    if not isinstance(annotations, list):
        return []
    counted = [one for one in annotations if isinstance(one, dict) and not one.get("was_cancelled")]
    truths = [one for one in counted if one.get("ground_truth")]
    return truths or counted


def _results(annotation: Mapping[str, Any]) -> list[dict[str, Any]]:
    results = annotation.get("result")
    found = results if isinstance(results, list) else []
    return [one for one in found if isinstance(one, dict) and isinstance(one.get("value"), dict)]


def flatten(entry: Entry) -> Entry | Fault:
    """Return the task's data, choices and spans as columns."""
    data = entry.values.get("data")
    if not isinstance(data, dict):
        return Fault(entry.line, "data", "task_wrong", shown(entry.values))
    answers: list[dict[str, object]] = []
    for annotation in _valid(entry.values.get("annotations")):
        choices: dict[str, object] = {}
        for result in _results(annotation):
            fault = _take(entry.line, result, choices)
            if fault is not None:
                return fault
        answers.append(choices)
    agreed = answers[0] if answers else {}
    for other in answers[1:]:
        if other != agreed:
            return Fault(entry.line, "annotations", "annotators_disagree", shown(answers))
    rest = {name: value for name, value in entry.values.items() if name != "data"}
    rest["data"] = list(data)
    return Entry(entry.line, {**data, **agreed, REST: rest})


def _take(line: int, result: Mapping[str, Any], choices: dict[str, object]) -> Fault | None:
    """Add what one result says to `choices`."""
    value, name = result["value"], str(result.get("from_name", "label"))
    if result.get("type") == "choices" and isinstance(value.get("choices"), list):
        chosen = value["choices"]
        if len(chosen) > 1:
            return Fault(line, name, "several_labels", shown(chosen), {"found": len(chosen)})
        choices[name] = chosen[0] if chosen else None
    elif result.get("type") == "labels" and isinstance(value.get("labels"), list):
        span = [value.get("start"), value.get("end"), *value["labels"][:1]]
        spans = choices.setdefault("spans", [])
        if isinstance(spans, list):
            spans.append(span)
    return None


def write(rows: Iterable[tuple[str, str | None, Mapping[str, Any]]], out: TextIO) -> int:
    """Write rows as one list of tasks; return how many."""
    count = 0
    out.write("[")
    for text, label, fields in rows:
        out.write(",\n" if count else "\n")
        out.write(json.dumps(_task(text, label, fields), ensure_ascii=False))
        count += 1
    out.write("\n]\n")
    return count


def _task(text: str, label: str | None, fields: Mapping[str, Any]) -> dict[str, Any]:
    rest = fields.get(REST)
    if not isinstance(rest, dict) or not isinstance(rest.get("data"), list):
        data = {name: value for name, value in fields.items() if name not in {"spans", REST}}
        return {"data": {"text": text, **data}, **_annotated({}, label, fields)}
    task = copy.deepcopy(rest)
    names = task.pop("data")
    key = next((name for name in names if name not in fields), "text")
    data = {name: text if name == key else fields[name] for name in names if name in {*fields, key}}
    return {**task, "data": data, **_annotated(task, label, fields)}


def _annotated(
    task: Mapping[str, Any], label: str | None, fields: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the annotations with the label as it is now; untouched where it is the same."""
    annotations = task.get("annotations", [])
    results = [one for each in _valid(annotations) for one in _results(each)]
    mine = [
        one
        for one in results
        if one.get("type") == "choices" and str(one.get("from_name", "label")) not in fields
    ]
    for one in mine:
        one["value"]["choices"] = [] if label is None else [label]
    if mine or (label is None and results):
        return {"annotations": annotations}
    fresh = [_choice(label)] if label is not None else []
    if not results:
        fresh += [_span(*one) for one in fields.get("spans") or []]
    return {"annotations": [*annotations, {"result": fresh}] if fresh else annotations}


def _choice(label: str) -> dict[str, Any]:
    value = {"choices": [label]}
    return {"from_name": "label", "to_name": "text", "type": "choices", "value": value}


def _span(start: int, end: int, label: str) -> dict[str, Any]:
    value = {"start": start, "end": end, "labels": [label]}
    return {"from_name": "spans", "to_name": "text", "type": "labels", "value": value}
