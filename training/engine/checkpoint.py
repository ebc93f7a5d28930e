"""Checkpoints: what it takes to go on as if nothing had happened.

A checkpoint is a folder `step-<n>` that appears by one rename, its manifest written last; it is
never changed after. Weights are safetensors, the optimizer's state is read with `weights_only`:
nothing in a checkpoint can run code.
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from training.engine.catalog import file_sha256
from training.engine.errors import SpecError

MANIFEST = "manifest.json"
PREFIX = "step-"


@dataclass
class Position:
    """Where a training is.

    Attributes:
        epoch: epochs finished.
        batch: batches done in the epoch under way.
        step: updates done in all.
        best_macro_f1: on validation; below 0 before the first evaluation.
        best_epoch: the epoch it was seen after, from 1.
        stale: evaluations since.
        seconds: training time in earlier processes.
        history: one entry an evaluation.
    """

    epoch: int = 0
    batch: int = 0
    step: int = 0
    best_macro_f1: float = -1.0
    best_epoch: int = 0
    stale: int = 0
    seconds: float = 0.0
    history: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Checkpoint:
    """Everything a training needs to go on.

    Attributes:
        fingerprint: of settings, rows and base; another training's is refused.
        position: where it is.
        weights: the parameters that learn.
        best: the same after the best epoch so far, or None.
        state: optimizer, scheduler and random generators.
    """

    fingerprint: str
    position: Position
    weights: Mapping[str, torch.Tensor]
    best: Mapping[str, torch.Tensor] | None
    state: Mapping[str, Any]


class BrokenCheckpointError(Exception):
    """A checkpoint's files are not those of its manifest."""


def write(folder: Path, checkpoint: Checkpoint) -> Path:
    """Write `folder/step-<n>` and then remove older checkpoints."""
    final = folder / f"{PREFIX}{checkpoint.position.step:08d}"
    partial = folder / f"{final.name}.partial"
    for leftover in (partial, final):
        if leftover.exists():
            shutil.rmtree(leftover)
    partial.mkdir(parents=True)
    save_file(_plain(checkpoint.weights), partial / "weights.safetensors")
    if checkpoint.best is not None:
        save_file(_plain(checkpoint.best), partial / "best.safetensors")
    torch.save(dict(checkpoint.state), partial / "state.pt")
    position = {"fingerprint": checkpoint.fingerprint, "position": asdict(checkpoint.position)}
    (partial / "position.json").write_text(json.dumps(position), encoding="utf-8")
    sums = {path.name: file_sha256(path) for path in sorted(partial.iterdir())}
    (partial / MANIFEST).write_text(json.dumps(sums), encoding="utf-8")
    partial.rename(final)
    for older in _complete(folder):
        if older != final:
            shutil.rmtree(older)
    return final


def latest(folder: Path) -> Path | None:
    """Return the newest complete checkpoint, or None."""
    return max(_complete(folder), default=None)


def read(path: Path, *, fingerprint: str) -> Checkpoint:
    """Read a checkpoint back.

    Raises:
        BrokenCheckpointError: a file is missing or changed.
        SpecError: it belongs to a training with other settings, rows or base.
    """
    sums = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
    for name, digest in sums.items():
        if not (path / name).is_file() or file_sha256(path / name) != digest:
            raise BrokenCheckpointError(f"{name} in {path} is missing or changed")
    stored = json.loads((path / "position.json").read_text(encoding="utf-8"))
    if stored["fingerprint"] != fingerprint:
        raise SpecError(
            "checkpoint_mismatch",
            "The checkpoint was made with other settings, rows or another base model. "
            "Train with those again, or name an empty checkpoint folder.",
        )
    best = path / "best.safetensors"
    return Checkpoint(
        fingerprint=fingerprint,
        position=Position(**stored["position"]),
        weights=load_file(path / "weights.safetensors"),
        best=load_file(best) if best.exists() else None,
        state=torch.load(path / "state.pt", weights_only=True),
    )


def _complete(folder: Path) -> list[Path]:
    return [
        path
        for path in folder.glob(f"{PREFIX}*")
        if not path.name.endswith(".partial") and (path / MANIFEST).is_file()
    ]


def _plain(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
