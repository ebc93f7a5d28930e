"""The data card of a version: its facts and people's notes as Markdown. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from training.datasets.models import DatasetVersion


def _cell(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ")


def _made(augmentation: Mapping[str, Any]) -> str:
    if not augmentation:
        return "none"
    return f"{', '.join(augmentation['operations'])}; up to {augmentation['per_row']} a row"


def card_text(version: DatasetVersion) -> str:
    """Return the card, in English: it travels with the file, not with the reader's language."""
    by = version.grouping.get("by", "exact")
    field = f" ({version.grouping['field']})" if by == "field" else ""
    facts = {
        "Status": version.status,
        "Rows": version.rows,
        "Augmented rows (train only)": version.augmented_rows,
        "Augmentation": _made(version.augmentation),
        "Grouping that never crosses splits": f"{by}{field}",
        "Stratified by label": "yes" if version.stratified else "no",
        "Seed": version.seed,
        "Shares": " / ".join(f"{share:g}" for share in version.shares),
        "Content hash (SHA-256)": version.content_hash,
        "Frozen at": version.frozen_at.isoformat() if version.frozen_at else "",
    }
    lines = [f"# {version}", "", "| Fact | Value |", "|---|---|"]
    lines += [f"| {name} | {_cell(str(value))} |" for name, value in facts.items()]
    lines += ["", "## Splits and labels", "", "| Label | Rows | Train | Validation | Test |"]
    lines += ["|---|---:|---:|---:|---:|"]
    per = version.split_labels
    for label, rows in version.label_counts.items():
        parts = [str(per.get(name, {}).get(label, 0)) for name in ("train", "validation", "test")]
        lines.append(f"| {_cell(label)} | {rows} | {' | '.join(parts) if per else '? | ? | ?'} |")
    if version.text_stats:
        lines += ["", "## Characters a text", "", "```json", json.dumps(version.text_stats), "```"]
    if version.notes:
        lines += ["", "## Notes", "", version.notes]
    return "\n".join(lines) + "\n"
