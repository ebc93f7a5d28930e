"""What is written down about a training: its settings, its rows, its figures, its canary."""

import platform
from collections import Counter
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
import transformers

from training.engine.data import texts_of
from training.engine.encoding import length_stats
from training.engine.events import Notice
from training.engine.predict import Predictor
from training.engine.prepare import Prepared

CANARY_TEXTS = 8


def canary(prepared: Prepared, predictor: Predictor) -> dict[str, Any]:
    """Return texts of many lengths with their logits: whoever loads the model can compare."""
    by_length = sorted(prepared.data.test, key=lambda example: len(example.text))
    places = np.linspace(0, len(by_length) - 1, CANARY_TEXTS).round().astype(int).tolist()
    chosen = [by_length[place] for place in places]
    rows = predictor.encode(texts_of(chosen))
    return {
        "texts": texts_of(chosen),
        "input_ids": rows,
        "logits": predictor.logits(rows).tolist(),
        "labels": predictor.labels,
        "precision": "fp32",
    }


def training_args(prepared: Prepared, *, precision: str) -> dict[str, Any]:
    """Return what it takes to make the same weights again."""
    return {
        "version": 1,
        "spec": prepared.spec.to_json(),
        "base": {"name": prepared.base.name, "sha256": prepared.base.sha256},
        "max_length": prepared.encoder.max_length,
        "precision": precision,
        "data_sha256": prepared.data.sha256,
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "transformers": transformers.__version__,
        },
    }


def data_facts(prepared: Prepared) -> dict[str, Any]:
    """Return row counts, rows per label and token lengths."""
    data = prepared.data
    return {
        "rows": {
            "train": len(data.train),
            "validation": len(data.validation),
            "test": len(data.test),
        },
        "train_rows_per_label": dict(Counter(example.label for example in data.train)),
        "lengths": asdict(length_stats(prepared.encoded["train"])),
        "notes": [{"code": note.code, "message": note.message} for note in data.notes],
    }


def summary(metrics: dict[str, Any], epochs: int) -> dict[str, Any]:
    """Return the flat figures of the `Done` event."""
    test, rows = metrics["test"], metrics["data"]["rows"]
    return {
        "macro_f1": test["macro_f1"],
        "macro_f1_low": test["macro_f1_interval"][0],
        "macro_f1_high": test["macro_f1_interval"][1],
        "accuracy": test["accuracy"],
        "ece": test["calibration"]["ece"],
        "baseline_macro_f1": metrics["baseline"]["macro_f1"],
        "baseline_accuracy": metrics["baseline"]["accuracy"],
        "labels": len(test["labels"]),
        "train_rows": rows["train"],
        "validation_rows": rows["validation"],
        "test_rows": rows["test"],
        "best_epoch": metrics["validation"]["epoch"],
        "epochs": epochs,
        "steps": metrics["training"]["steps"],
        "total_seconds": metrics["training"]["total_seconds"],
    }


def notices(metrics: dict[str, Any]) -> list[Notice]:
    """Return what the user should know about the figures."""
    ours, theirs = metrics["test"]["macro_f1"], metrics["baseline"]["macro_f1"]
    if ours > theirs:
        return []
    return [
        Notice(
            code="below_baseline",
            message=f"The baseline is as good or better ({theirs:.3f} against {ours:.3f}). "
            "More rows, more epochs or another learning rate may help.",
            facts={"ours": ours, "theirs": theirs},
        )
    ]
