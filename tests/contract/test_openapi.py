"""The published description of the API is the code's own, valid, and complete."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

COMMAND = ["spectacular", "--format", "openapi-json", "--validate", "--fail-on-warn", "--file"]
ROOT = Path(__file__).resolve().parents[2]


def test_the_committed_document_is_what_the_code_says_without_a_warning(tmp_path: Path) -> None:
    target = tmp_path / "openapi.json"
    done = subprocess.run(
        [sys.executable, "-m", "modelyard", *COMMAND, str(target)],
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "modelyard.settings.test"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    committed = json.loads((ROOT / "docs/api/openapi.json").read_text(encoding="utf-8"))
    assert json.loads(target.read_text(encoding="utf-8")) == committed, "run `make openapi`"


def test_every_operation_has_an_id_a_summary_and_needs_a_key() -> None:
    document = json.loads((ROOT / "docs/api/openapi.json").read_text(encoding="utf-8"))
    operations = [
        (path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    assert len(operations) >= 35
    for path, method, operation in operations:
        assert operation.get("summary"), (path, method)
        assert operation["security"] == [{"apiKey": []}], (path, method)
    ids = [operation["operationId"] for _path, _method, operation in operations]
    assert len(ids) == len(set(ids))
