"""What the pages of the import wizard show."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from training.datasets.models import Upload


def mapping_context(upload: Upload, posted: Mapping[str, str]) -> dict[str, Any]:
    """Return what the mapping step shows: columns with their roles, and the first rows."""
    preview = upload.preview
    source = preview["source"]
    roles = {source["text"]: "text", source["label"]: "label"}
    columns = [
        {
            "index": index,
            "name": name,
            "role": posted.get(f"role_{index}", roles.get(name, "ignore")),
            **facts,
        }
        for index, (name, facts) in enumerate(
            zip(preview["columns"], preview["facts"], strict=True)
        )
    ]
    delimiter = source["delimiter"]
    return {
        "encoding": source["encoding"],
        "is_csv": source["format"] == "csv",
        "delimiter": "tab" if delimiter == "\t" else delimiter,
        "header": source["header"],
        "columns": columns,
        "preview": {"header": preview["columns"], "rows": preview["rows"]},
        "faults": preview["faults"],
    }
