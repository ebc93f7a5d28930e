"""The folder a training leaves: what is in it, how it is sealed, how it is verified.

Plain `AutoModelForSequenceClassification.from_pretrained(folder)` loads it. The manifest holds
the sha256 and the size of every other file and is written last, by a rename.
"""

import json
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.engine.catalog import file_sha256, needs_code
from training.engine.errors import ArtifactError, SpecError

MANIFEST = "manifest.json"
MANIFEST_VERSION = 1
REQUIRED = frozenset(
    {
        "model.safetensors",
        "config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "metrics.json",
        "README.md",
        "training_args.json",
        "canary.json",
    }
)
ALLOWED = REQUIRED | {
    "added_tokens.json",
    "merges.txt",
    "sentencepiece.bpe.model",
    "special_tokens_map.json",
    "spiece.model",
    "vocab.json",
    "vocab.txt",
}
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Verified:
    """A folder that is what its manifest says: its sha256, and bytes of all files."""

    manifest_sha256: str
    bytes: int


def write_json(path: Path, content: Any) -> None:
    """Write readable JSON in UTF-8."""
    text = json.dumps(content, ensure_ascii=False, indent=1, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")


def seal(folder: Path) -> Verified:
    """Write the manifest of a finished folder, and verify it.

    Raises:
        ArtifactError: a file is missing or not allowed.
    """
    files = {
        path.name: {"sha256": file_sha256(path), "bytes": path.stat().st_size}
        for path in sorted(folder.iterdir())
        if path.name != MANIFEST
    }
    partial = folder / f".{MANIFEST}.partial"
    write_json(partial, {"version": MANIFEST_VERSION, "files": files})
    partial.rename(folder / MANIFEST)
    return verify(folder)


def verify(folder: Path) -> Verified:
    """Check every file of a model folder against its manifest.

    Raises:
        ArtifactError: `manifest_missing`, `manifest_invalid`, `file_not_allowed`,
            `file_missing`, `file_unexpected`, `file_changed` or `needs_code`.
    """
    files = _manifest_files(folder / MANIFEST)
    for name in sorted(files):
        if name not in ALLOWED:
            raise ArtifactError("file_not_allowed", f"{name!r} does not belong in a model folder.")
    for name in sorted(REQUIRED - set(files)):
        raise ArtifactError("file_missing", f"The manifest does not name {name}.")
    there = {path.name for path in folder.iterdir()} - {MANIFEST}
    for name in sorted(there - set(files)):
        raise ArtifactError("file_unexpected", f"{name!r} is not in the manifest.")
    total = 0
    for name, entry in sorted(files.items()):
        total += _check_file(folder / name, entry)
    for name in ("config.json", "tokenizer_config.json"):
        _check_harmless(folder / name)
    return Verified(manifest_sha256=file_sha256(folder / MANIFEST), bytes=total)


def model_card(*, args: Mapping[str, Any], metrics: Mapping[str, Any], licence: str | None) -> str:
    """Return the README: what the model is, how good, how to load it."""
    test, baseline, rows = metrics["test"], metrics["baseline"], metrics["data"]["rows"]
    low, high = test["macro_f1_interval"]
    ours = f"{test['macro_f1']:.3f} (95 % interval {low:.3f} to {high:.3f})"
    spec = args["spec"]
    header = f"license: {licence}\n" if licence else ""
    classes = "\n".join(
        f"| {_cell(label)} | {line['precision']:.3f} | {line['recall']:.3f} "
        f"| {line['f1-score']:.3f} | {int(line['support'])} |"
        for label, line in test["report"].items()
        if label in test["labels"]
    )
    return f"""---
{header}library_name: transformers
pipeline_tag: text-classification
---

# A text classifier with {len(test["labels"])} labels

Fine-tuned ({spec["method"]}) from `{args["base"]["name"]}` on {rows["train"]} rows.
The figures are of {rows["test"]} test rows that training never saw.

| | macro-F1 | accuracy |
|---|---|---|
| this model | {ours} | {test["accuracy"]:.3f} |
| TF-IDF + logistic regression | {baseline["macro_f1"]:.3f} | {baseline["accuracy"]:.3f} |

| label | precision | recall | F1 | rows |
|---|---|---|---|---|
{classes}

Expected calibration error {test["calibration"]["ece"]:.3f}. Texts are cut at
{args["max_length"]} tokens ({metrics["data"]["lengths"]["truncated"]} of the train rows were).
Epochs {spec["epochs"]}, learning rate {spec["learning_rate"]:g}, batch {spec["batch_size"]},
seed {spec["seed"]}. Rows: sha256 `{args["data_sha256"]}`.

## Load it

```python
from transformers import AutoModelForSequenceClassification, AutoTokenizer
tokenizer = AutoTokenizer.from_pretrained("this/folder")
model = AutoModelForSequenceClassification.from_pretrained("this/folder")
batch = tokenizer(["a text"], truncation=True, return_tensors="pt")
print(model.config.id2label[int(model(**batch).logits.argmax())])
```
"""


def _manifest_files(path: Path) -> dict[str, dict[str, Any]]:
    if not path.is_file():
        raise ArtifactError("manifest_missing", f"There is no {MANIFEST} in {path.parent}.")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as exc:
        raise ArtifactError("manifest_invalid", f"{MANIFEST} is not valid JSON.") from exc
    files = content.get("files") if isinstance(content, dict) else None
    if not isinstance(files, dict) or content.get("version") != MANIFEST_VERSION:
        raise ArtifactError("manifest_invalid", f"{MANIFEST} is not of version {MANIFEST_VERSION}.")
    for name, entry in files.items():
        known = isinstance(entry, dict) and set(entry) == {"sha256", "bytes"}
        if not known or not isinstance(entry["bytes"], int) or not _is_sha256(entry["sha256"]):
            raise ArtifactError("manifest_invalid", f"The entry of {name!r} is not valid.")
    return files


def _is_sha256(value: Any) -> bool:
    return isinstance(value, str) and _SHA256.fullmatch(value) is not None


def _check_file(path: Path, entry: Mapping[str, Any]) -> int:
    """Return the size of the file, which must be a plain one with the stated content."""
    try:
        info = path.lstat()
    except FileNotFoundError as exc:
        raise ArtifactError("file_missing", f"{path.name} is missing.") from exc
    if not stat.S_ISREG(info.st_mode):
        raise ArtifactError("file_not_allowed", f"{path.name} is not a plain file.")
    if info.st_size != entry["bytes"] or file_sha256(path) != entry["sha256"]:
        raise ArtifactError("file_changed", f"{path.name} is not the file that was written.")
    return info.st_size


def _check_harmless(path: Path) -> None:
    try:
        dangerous = needs_code(path)
    except SpecError as exc:
        raise ArtifactError("manifest_invalid", exc.message) from exc
    if dangerous:
        raise ArtifactError("needs_code", f"{path.name} asks to run code of its own (auto_map).")


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
