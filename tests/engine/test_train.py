import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from tests.engine.conftest import Trained
from training.engine import checkpoint
from training.engine.artifact import verify
from training.engine.catalog import file_sha256
from training.engine.errors import CancelledError, SpecError
from training.engine.events import PHASES, Baseline, Eval, Event, Notice, Phase, Progress
from training.engine.predict import Predictor
from training.engine.spec import JobSpec
from training.engine.train import rate_factor, train

MakeJob = Callable[..., JobSpec]


def stop_after(checks: int) -> Callable[[], bool]:
    seen = iter(range(checks))
    return lambda: next(seen, None) is None


def weights(folder: Path) -> str:
    return file_sha256(folder / "model.safetensors")


def ignore(_event: Event) -> None:
    pass


def test_a_tiny_model_learns_the_rule_and_beats_chance(trained: Trained) -> None:
    losses = [event.loss for event in trained.events if isinstance(event, Progress)]
    evals = [event for event in trained.events if isinstance(event, Eval)]
    assert losses[-1] < losses[0] / 2
    assert [event.epoch for event in evals] == [1, 2, 3, 4]
    assert trained.done.metrics["macro_f1"] > 0.9


def test_events_tell_every_phase_and_the_first_and_the_last_step(trained: Trained) -> None:
    phases = [event.name for event in trained.events if isinstance(event, Phase)]
    steps = [event for event in trained.events if isinstance(event, Progress)]
    assert set(phases) == set(PHASES)
    assert phases[:4] == ["loading", "tokenizing", "baseline", "training"]
    assert (steps[0].step, steps[-1].step) == (1, steps[-1].steps)
    assert steps[-1].eta_seconds < steps[0].eta_seconds
    assert any(isinstance(event, Baseline) for event in trained.events)
    assert trained.events[-1] == trained.done


def test_the_baseline_has_the_same_report_on_the_same_rows(trained: Trained) -> None:
    metrics = json.loads((trained.folder / "metrics.json").read_text())
    assert set(metrics["test"]) <= set(metrics["baseline"])
    assert metrics["test"]["examples"] == metrics["baseline"]["examples"] == 24
    assert metrics["test"]["labels"] == metrics["baseline"]["labels"] == ["bad", "good"]


def test_plain_transformers_loads_the_artifact_and_agrees_with_the_canary(
    trained: Trained,
) -> None:
    canary = json.loads((trained.folder / "canary.json").read_text())
    tokenizer = AutoTokenizer.from_pretrained(trained.folder)
    model = AutoModelForSequenceClassification.from_pretrained(trained.folder)
    batch = tokenizer(canary["texts"], truncation=True, padding=True, return_tensors="pt")
    with torch.inference_mode():
        logits = model(**batch).logits
    np.testing.assert_allclose(logits.numpy(), canary["logits"], atol=1e-5)
    assert model.config.id2label == {0: "bad", 1: "good"}
    assert len(canary["texts"]) == 8
    assert tokenizer.model_max_length == 32


def test_the_same_settings_give_the_same_weights(
    trained: Trained, make_job: MakeJob, tmp_path: Path
) -> None:
    train(make_job(tmp_path / "again"), emit=ignore, should_stop=lambda: False)
    train(make_job(tmp_path / "other", seed=1), emit=ignore, should_stop=lambda: False)
    assert weights(tmp_path / "again") == weights(trained.folder)
    assert weights(tmp_path / "other") != weights(trained.folder)


# Four phases are asked about before the first step; an epoch has 13 steps.
@pytest.mark.parametrize("steps", [1, 13, 20])
def test_a_stopped_and_resumed_run_has_the_weights_of_an_uninterrupted_one(
    trained: Trained, make_job: MakeJob, tmp_path: Path, steps: int
) -> None:
    job = make_job(tmp_path / "out", checkpoint=tmp_path / "checkpoints")
    with pytest.raises(CancelledError):
        train(job, emit=ignore, should_stop=stop_after(4 + steps - 1))
    path = checkpoint.latest(tmp_path / "checkpoints")
    assert path is not None
    assert path.name == f"step-{steps:08d}"
    assert not job.out.exists()
    events: list[Event] = []
    train(job, emit=events.append, should_stop=lambda: False)
    assert next(event for event in events if isinstance(event, Progress)).step == steps + 1
    assert weights(job.out) == weights(trained.folder)


def test_a_checkpoint_of_other_settings_is_refused_and_a_broken_one_is_said(
    make_job: MakeJob, tmp_path: Path
) -> None:
    folder = tmp_path / "checkpoints"
    with pytest.raises(CancelledError):
        train(make_job(tmp_path / "out", checkpoint=folder), emit=ignore, should_stop=stop_after(5))
    with pytest.raises(SpecError) as refused:
        train(
            make_job(tmp_path / "out", checkpoint=folder, seed=5),
            emit=ignore,
            should_stop=lambda: False,
        )
    assert refused.value.code == "checkpoint_mismatch"
    path = checkpoint.latest(folder)
    assert path is not None
    (path / "state.pt").write_bytes(b"torn")
    events: list[Event] = []
    job = make_job(tmp_path / "out", checkpoint=folder, epochs=1)
    train(job, emit=events.append, should_stop=lambda: False)
    codes = [event.code for event in events if isinstance(event, Notice)]
    assert "checkpoint_broken" in codes


def test_lora_is_merged_into_a_plain_model(make_job: MakeJob, tmp_path: Path) -> None:
    job = make_job(tmp_path / "lora", method="lora", learning_rate=1e-2, epochs=8)
    done = train(job, emit=ignore, should_stop=lambda: False)
    model, info = AutoModelForSequenceClassification.from_pretrained(
        job.out, output_loading_info=True
    )
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    assert type(model).__name__ == "BertForSequenceClassification"
    assert done.metrics["macro_f1"] > 0.8


def test_frozen_embeddings_stay_and_class_weights_and_patience_are_obeyed(
    make_job: MakeJob, tmp_path: Path, tiny_base: Path
) -> None:
    job = make_job(
        tmp_path / "out",
        freeze_embeddings=True,
        class_weights=True,
        patience=1,
        epochs=30,
        learning_rate=1e-8,
    )
    done = train(job, emit=ignore, should_stop=lambda: False)
    assert done.metrics["steps"] <= 30 * 13
    base = AutoModelForSequenceClassification.from_pretrained(tiny_base)
    tuned = AutoModelForSequenceClassification.from_pretrained(job.out)
    assert torch.equal(base.get_input_embeddings().weight, tuned.get_input_embeddings().weight)


def test_an_existing_out_folder_is_left_alone(make_job: MakeJob, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(SpecError) as refused:
        train(make_job(tmp_path), emit=ignore, should_stop=lambda: False)
    assert refused.value.code == "out_exists"
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_stopped_run_leaves_no_artifact(make_job: MakeJob, tmp_path: Path) -> None:
    total = 4 + 4 * 13
    for checks in (0, 2, total, total + 1, total + 2):
        with pytest.raises(CancelledError):
            train(make_job(tmp_path / "out"), emit=ignore, should_stop=stop_after(checks))
        assert not (tmp_path / "out").exists()


def test_the_predictor_answers_in_order_whatever_the_batch(trained: Trained) -> None:
    predictor = Predictor(trained.folder)
    texts = ["a splendid film", "dreary " + "and " * 60, "the awful story", ""]
    together = predictor.predict(texts)
    assert [answer.label for answer in together[:3]] == ["good", "bad", "bad"]
    assert [answer.truncated for answer in together] == [False, True, False, False]
    for text, answer in zip(texts, together, strict=True):
        (alone,) = predictor.predict([text])
        assert alone.scores == pytest.approx(answer.scores, abs=1e-5)
        assert sum(answer.scores.values()) == pytest.approx(1.0)
    assert predictor.predict([]) == []
    half = Predictor(trained.folder, precision="bf16").predict(texts)
    assert [answer.label for answer in half[:3]] == ["good", "bad", "bad"]


def test_the_done_event_names_the_manifest_on_disk(trained: Trained) -> None:
    assert verify(trained.folder).manifest_sha256 == trained.done.manifest_sha256


def test_the_rate_climbs_then_falls_to_zero() -> None:
    factors = [rate_factor(step, 10, 100) for step in range(101)]
    assert factors[0] < factors[5] < factors[10] == 1.0
    assert factors[100] == 0.0
    assert all(a > b for a, b in pairwise(factors[10:]))
