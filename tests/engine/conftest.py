import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.engine.samples import make_rows, write_csv
from tests.engine.tiny_model import make_tiny_bert
from training.engine.events import Done, Event
from training.engine.spec import DataSpec, JobSpec, TrainSpec

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


@dataclass(frozen=True)
class Trained:
    folder: Path
    events: list[Event]
    done: Done


@pytest.fixture(scope="session")
def rows() -> list[tuple[str, str]]:
    return make_rows(240)


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]) -> Path:
    return make_tiny_bert(tmp_path_factory.mktemp("base"), [text for text, _ in rows])


@pytest.fixture(scope="session")
def rows_csv(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]) -> Path:
    return write_csv(tmp_path_factory.mktemp("data") / "rows.csv", rows, ("text", "label"))


@pytest.fixture(scope="session")
def tiny_spec(tiny_base: Path) -> TrainSpec:
    return TrainSpec(
        base=str(tiny_base),
        epochs=4,
        min_steps=0,
        learning_rate=6e-3,
        head_rate_multiplier=2.0,
        freeze_embeddings=False,
        max_length=32,
        threads=1,
        precision="fp32",
    )


@pytest.fixture(scope="session")
def make_job(rows_csv: Path, tiny_spec: TrainSpec) -> Callable[..., JobSpec]:
    def make(out: Path, *, checkpoint: Path | None = None, **changes: object) -> JobSpec:
        return JobSpec(
            data=DataSpec(path=str(rows_csv)),
            spec=tiny_spec.with_changes(**changes),
            out=out,
            checkpoint=checkpoint,
        )

    return make


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, make_job: Callable[..., JobSpec]) -> Trained:
    from training.engine.train import train

    folder = tmp_path_factory.mktemp("trained") / "model"
    events: list[Event] = []
    done = train(make_job(folder), emit=events.append, should_stop=lambda: False)
    return Trained(folder=folder, events=events, done=done)
