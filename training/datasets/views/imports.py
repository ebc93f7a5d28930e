"""What the pages of the import wizard show."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from modelyard.core.parts import shortened
from training.datasets import reasons
from training.datasets.formats import TEXTUAL
from training.datasets.models import Upload
from training.datasets.views.exports import TITLES

_OF_IMAGES = ("images", "others", "unlabelled", "label_count", "splits")
"""What the preview of a zip of images has beside that of other files."""


def mapping_context(upload: Upload, posted: Mapping[str, str]) -> dict[str, Any]:
    """Return what the mapping step shows: columns with their roles, and the first rows."""
    preview = upload.preview
    source = preview["source"]
    roles = {source["text"]: "text", source["label"]: "label"}
    keep = source.get("keep")
    others = dict.fromkeys(preview["columns"] if keep is None else keep, "keep")
    columns = [
        {
            "index": index,
            "name": name,
            "role": posted.get(f"role_{index}", {**others, **roles}.get(name, "ignore")),
            **facts,
        }
        for index, (name, facts) in enumerate(
            zip(preview["columns"], preview["facts"], strict=True)
        )
    ]
    delimiter = source["delimiter"]
    return {
        "encoding": source["encoding"],
        "is_csv": source["format"] in {"csv", "autotrain"},
        "is_text": source["format"] in TEXTUAL,
        "format": source["format"],
        "formats": [(name, TITLES[name]) for name in preview.get("formats", [])],
        "member": source.get("member", ""),
        "members": preview.get("members", []),
        "stored": preview.get("stored", []),
        "refused": [
            {"line": line, "column": column, "reason": reasons.row_sentence(code, detail)}
            for line, column, code, _value, detail in preview.get("refused_rows", [])
        ],
        "looked_at": preview.get("looked_at", 0),
        "delimiter": "tab" if delimiter == "\t" else delimiter,
        "header": source["header"],
        "columns": columns,
        "preview": {"header": preview["columns"], "rows": preview["rows"]},
        "faults": preview["faults"],
        **{name: preview.get(name) for name in _OF_IMAGES},
        "labels": _folders(preview),
    }


def _folders(preview: Mapping[str, Any]) -> list[tuple[str, int]]:
    """Return how many images each label has, of a zip of images."""
    named = preview.get("images", 0) - preview.get("unlabelled", 0)
    pairs = [(label, images) for label, images in preview.get("labels", [])]
    return shortened(pairs, _("Others"), total=named)
