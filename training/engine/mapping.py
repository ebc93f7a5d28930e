"""Making a map: rows in, one folder out, a line for every step.

In: JSON Lines, `{"text": str, "label": str or null}`. Out: `points.bin`, four columns one behind
the other for the n rows in their order (x and y as little-endian uint16, differing and area as
uint8), and `map.json` with the base model, the number of rows and the areas.
"""

import json
import time
from pathlib import Path

import torch

from training.engine.catalog import DEFAULT_BASE, resolve
from training.engine.device import owned_cores
from training.engine.embed import Embedder
from training.engine.errors import DataError
from training.engine.events import Emit, Step
from training.engine.layout import lay_out, to_json

EVERY_SECONDS = 0.5


def make_map(
    rows: Path, out: Path, *, emit: Emit, base: str = DEFAULT_BASE, seed: int = 0, threads: int = 0
) -> None:
    """Embed the rows and lay them out.

    Raises:
        SpecError: the base model.
        DataError: the rows.
    """
    torch.set_num_threads(threads or owned_cores())
    texts, labels = _read(rows)
    found = resolve(base)
    said = 0.0

    def report(done: int, total: int) -> None:
        nonlocal said
        if done == total or time.monotonic() - said > EVERY_SECONDS:
            said = time.monotonic()
            emit(Step(phase="embedding", done=done, total=total))

    report(0, len(texts))
    vectors = Embedder(found.folder).vectors(texts, report)
    emit(Step(phase="placing", done=0, total=len(texts)))
    layout = lay_out(vectors, labels, seed=seed)
    out.mkdir(parents=True, exist_ok=True)
    columns = (layout.x.astype("<u2"), layout.y.astype("<u2"), layout.differing, layout.area)
    (out / "points.bin").write_bytes(b"".join(column.tobytes() for column in columns))
    facts = {"base": found.name, "rows": len(texts), **to_json(layout)}
    (out / "map.json").write_text(json.dumps(facts, ensure_ascii=False), encoding="utf-8")
    emit(Step(phase="placing", done=len(texts), total=len(texts)))


def _read(path: Path) -> tuple[list[str], list[str | None]]:
    texts: list[str] = []
    labels: list[str | None] = []
    try:
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                row = json.loads(line)
                texts.append(row["text"])
                labels.append(row["label"])
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise DataError("rows_unreadable", f"The rows cannot be read: {exc}") from exc
    if not texts:
        raise DataError("no_rows", "There are no rows to make a map of.")
    return texts, labels
