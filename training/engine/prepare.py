"""Before the loop: rows checked, texts encoded once, automatic settings chosen."""

import hashlib
import json
import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import torch

from training.engine import model
from training.engine.catalog import ResolvedBase, resolve
from training.engine.data import Dataset, label_indices, load, texts_of
from training.engine.device import owned_cores
from training.engine.encoding import Encoded, TextEncoder
from training.engine.evaluate import Ints
from training.engine.events import Emit, Notice
from training.engine.spec import JobSpec, TrainSpec

MAX_EPOCHS_FOR_STEPS = 20
FEW_ROWS_PER_CLASS = 30
MIN_STEPS = 190
MIN_STEPS_FEW_ROWS = 390
SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Prepared:
    """Everything the loop reads: settings without "auto", rows, ids and class indices."""

    spec: TrainSpec
    base: ResolvedBase
    data: Dataset
    encoder: TextEncoder
    encoded: dict[str, Encoded]
    classes: dict[str, Ints]

    @property
    def fingerprint(self) -> str:
        """What a checkpoint must agree with; threads may differ between two machines."""
        settings = {**self.spec.to_json(), "threads": None, "base": self.base.sha256}
        content = json.dumps([settings, self.data.sha256], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()

    def class_weights(self) -> list[float]:
        """Return inverse class frequencies of the train rows, 1 on average over the rows."""
        counts = Counter(self.classes["train"].tolist())
        labels = len(self.data.labels)
        return [len(self.data.train) / (labels * counts[place]) for place in range(labels)]


def prepare(
    job: JobSpec, *, enter: Callable[[str], None], emit: Emit, test: bool = True
) -> Prepared:
    """Load rows and tokenizer, encode every text once, settle what was left to choose.

    `test` is False for a training without a report (see `data.load`).

    Raises:
        SpecError: the base model.
        DataError: the rows.
    """
    enter("loading")
    spec = job.spec.with_changes(threads=job.spec.threads or owned_cores())
    torch.set_num_threads(spec.threads or 1)
    base = resolve(spec.base)
    data = load(job.data, seed=spec.seed, test=test)
    for note in data.notes:
        emit(Notice(code=note.code, message=note.message, facts={"count": note.count}))
    spec = settled(spec, rows=len(data.train), labels=len(data.labels))
    positions = model.max_positions(base.folder)
    encoder = TextEncoder(base.folder, max_length=spec.max_length, positions=positions)
    enter("tokenizing")
    rows = dict(zip(SPLITS, (data.train, data.validation, data.test), strict=True))
    encoded = {name: encoder.encode(texts_of(part)) for name, part in rows.items()}
    cut = sum(encoded["train"].truncated)
    if cut:
        emit(
            Notice(
                code="texts_truncated",
                message=f"{cut} of {len(data.train)} train texts are longer than "
                f"{encoder.max_length} tokens; their ends are not read.",
                facts={"cut": cut, "rows": len(data.train), "tokens": encoder.max_length},
            )
        )
    return Prepared(
        spec=spec,
        base=base,
        data=data,
        encoder=encoder,
        encoded=encoded,
        classes={name: label_indices(part, data.labels) for name, part in rows.items()},
    )


def settled(spec: TrainSpec, *, rows: int, labels: int) -> TrainSpec:
    """Return the settings with the automatic ones chosen from the size of the data.

    Rates are the ones `recipes.md` chose on validation rows; LoRA's is `performance.md` §1's.
    """
    few = rows <= FEW_ROWS_PER_CLASS * labels
    rate = spec.learning_rate
    if rate is None:
        rate = 1e-3 if spec.method == "lora" else (4e-4 if few else 1e-4)
    steps = spec.min_steps
    if steps is None:
        steps = MIN_STEPS_FEW_ROWS if few else MIN_STEPS
    per_epoch = math.ceil(rows / spec.batch_size)
    wanted = min(math.ceil(steps / per_epoch), MAX_EPOCHS_FOR_STEPS)
    return spec.with_changes(learning_rate=rate, epochs=max(spec.epochs, wanted), min_steps=0)
