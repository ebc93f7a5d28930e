"""A saved model on a file of labelled rows."""

from pathlib import Path
from typing import Any

from training.engine.data import SPLIT_NAMES, label_indices, read_rows, texts_of
from training.engine.errors import DataError
from training.engine.evaluate import full_report, softmax
from training.engine.predict import Predictor
from training.engine.spec import DataSpec


def score_file(folder: Path, spec: DataSpec, *, threads: int = 1, seed: int = 0) -> dict[str, Any]:
    """Return the full report; with a split column, of its test rows only.

    Raises:
        ArtifactError: the folder is not what its manifest says.
        DataError: the rows, or a label the model does not know.
    """
    predictor = Predictor(folder, threads=threads)
    examples = [
        example
        for example, split in read_rows(spec)
        if spec.split is None or SPLIT_NAMES.get(split.strip().lower()) == "test"
    ]
    if not examples:
        raise DataError("no_rows", f"No row says “test” in column “{spec.split}”.")
    unknown = next((item for item in examples if item.label not in predictor.labels), None)
    if unknown is not None:
        raise DataError(
            "unknown_label",
            f"Row {unknown.row} has the label “{unknown.label}”, which this model does not know. "
            f"It knows: {', '.join(predictor.labels)}.",
        )
    logits = predictor.logits(predictor.encode(texts_of(examples)))
    return full_report(
        examples,
        label_indices(examples, predictor.labels),
        softmax(logits),
        predictor.labels,
        seed=seed,
    )
