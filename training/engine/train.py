"""THE file: rows and settings in, a verified model folder out, top to bottom.

The loop is the plain recipe that `recipes.md` measured: AdamW with decay on matrices only, a
faster head, warm-up then linear decay, gradients clipped at 1, batches of like length, bf16
autocast where hardware has it, the epoch with the best validation macro-F1 kept. The same
settings, seed, threads and device give the same weights; so does a run that was interrupted
and resumed.
"""

import math
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch.nn import functional
from torch.optim.lr_scheduler import LambdaLR

from training.engine import artifact, checkpoint, encoding, model, records
from training.engine.catalog import CATALOG
from training.engine.checkpoint import Checkpoint, Position
from training.engine.device import precision_for
from training.engine.errors import CancelledError, SpecError, TrainingError
from training.engine.evaluate import comparison, full_report, macro_f1, softmax
from training.engine.events import Baseline, Done, Emit, Eval, Notice, Phase
from training.engine.predict import Predictor
from training.engine.prepare import Prepared, prepare
from training.engine.probe import ProbeResult, train_baseline
from training.engine.progress import ProgressMeter
from training.engine.spec import JobSpec

CLIP_NORM = 1.0
EVAL_TOKENS = 4096
PAD_MULTIPLE = 8
TEST_CHUNK = 1024
STOPPED = "The training was stopped."


def train(job: JobSpec, *, emit: Emit, should_stop: Callable[[], bool]) -> Done:
    """Train, evaluate, write the artifact to `job.out`, verify it.

    Args:
        job: what, how and where to.
        emit: gets every event but `Failed`.
        should_stop: asked between steps and phases.

    Raises:
        SpecError: the settings, the base model or the out folder.
        DataError: the rows.
        TrainingError: the loss is no longer a number.
        CancelledError: `should_stop` said yes; training can be resumed from the checkpoint.
    """
    started = time.monotonic()
    if job.out.exists() and (not job.out.is_dir() or any(job.out.iterdir())):
        raise SpecError("out_exists", f"{job.out} is there already. Name a new folder.")

    def enter(phase: str) -> None:
        if should_stop():
            raise CancelledError("cancelled", STOPPED)
        emit(Phase(name=phase))

    prepared = prepare(job, enter=enter, emit=emit)
    enter("baseline")
    baseline = train_baseline(prepared.data, seed=prepared.spec.seed)
    emit(Baseline(macro_f1=baseline.report["macro_f1"]))
    enter("training")
    loop = Loop(prepared, job, emit=emit, should_stop=should_stop)
    loop.run()
    partial = job.out.with_name(f".{job.out.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        metrics = _write(partial, prepared, loop, baseline, enter=enter)
        metrics["training"]["total_seconds"] = round(time.monotonic() - started, 2)
        for notice in records.notices(metrics):
            emit(notice)
        artifact.write_json(partial / "metrics.json", metrics)
        artifact.seal(partial)
        if job.out.exists():
            job.out.rmdir()
        partial.rename(job.out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    done = Done(
        metrics=records.summary(metrics, prepared.spec.epochs),
        manifest_sha256=artifact.verify(job.out).manifest_sha256,
    )
    emit(done)
    return done


def _write(
    folder: Path,
    prepared: Prepared,
    loop: "Loop",
    baseline: ProbeResult,
    *,
    enter: Callable[[str], None],
) -> dict[str, Any]:
    """Save the best model to `folder`, load it again, report it; return the metrics.

    The figures and the canary are of the saved files, not of the model in memory: what is
    reported is what will be served.
    """
    enter("saving")
    folder.mkdir(parents=True)
    loop.best_model().save_pretrained(folder)
    prepared.encoder.save(folder)
    args = records.training_args(prepared, precision=loop.precision)
    artifact.write_json(folder / "training_args.json", args)
    enter("evaluating")
    predictor = Predictor(
        folder, threads=prepared.spec.threads or 1, device=loop.device, check=False
    )
    ids = prepared.encoded["test"].ids
    parts = []
    for start in range(0, len(ids), TEST_CHUNK):
        loop.stop_if_asked()
        parts.append(predictor.logits(ids[start : start + TEST_CHUNK]))
    true, scores = prepared.classes["test"], softmax(np.concatenate(parts))
    test = full_report(
        prepared.data.test,
        true,
        scores,
        prepared.data.labels,
        seed=prepared.spec.seed,
    )
    metrics = {
        "version": 1,
        "test": test,
        "baseline": baseline.report,
        "comparison": comparison(true, scores.argmax(axis=1).astype(np.int64), baseline.predicted),
        "validation": {
            "macro_f1": loop.position.best_macro_f1,
            "epoch": loop.position.best_epoch,
            "history": loop.position.history,
        },
        "data": records.data_facts(prepared),
        "training": {
            "steps": loop.position.step,
            "precision": loop.precision,
            "loop_seconds": round(loop.position.seconds, 2),
        },
    }
    enter("saving")
    artifact.write_json(folder / "canary.json", records.canary(prepared, predictor))
    entry = CATALOG.get(prepared.base.name)
    card = artifact.model_card(args=args, metrics=metrics, licence=entry.licence if entry else None)
    (folder / "README.md").write_text(card, encoding="utf-8")
    return metrics


class Loop:
    """The training loop of one process.

    Attributes:
        position: where it is.
        predicted: class indices of the validation rows after the last epoch of this process.
        precision: "bf16" or "fp32".
        device: where it computes.
        seconds: time in the loop, earlier processes included.
    """

    def __init__(
        self, prepared: Prepared, job: JobSpec, *, emit: Emit, should_stop: Callable[[], bool]
    ) -> None:
        self._prepared, self._job = prepared, job
        self._emit, self._should_stop = emit, should_stop
        spec = prepared.spec
        self.precision = precision_for(spec)
        self._accelerator = Accelerator(
            cpu=not torch.cuda.is_available(),
            mixed_precision="bf16" if self.precision == "bf16" else "no",
        )
        self.device = str(self._accelerator.device)
        torch.manual_seed(spec.seed)
        self._built = model.build(prepared.base.folder, prepared.data.labels, spec)
        rate = spec.learning_rate or 0.0
        self._steps_per_epoch = math.ceil(len(prepared.data.train) / spec.batch_size)
        self._steps = self._steps_per_epoch * spec.epochs
        optimizer = torch.optim.AdamW(
            model.parameter_groups(self._built, spec, rate), lr=rate, fused=True
        )
        self._model, self._optimizer = self._accelerator.prepare(self._built.model, optimizer)
        warmup = round(spec.warmup_ratio * self._steps)
        self._scheduler = LambdaLR(optimizer, lambda step: rate_factor(step, warmup, self._steps))
        self._parameters = model.trainable(self._built.model)
        self._class_weights = None
        if spec.class_weights:
            self._class_weights = torch.tensor(prepared.class_weights(), device=self.device)
        self._best: dict[str, torch.Tensor] | None = None
        self.position = Position()
        self.predicted = np.empty(0, dtype=np.int64)
        self._started = time.monotonic()
        self._saved_at = self._started

    @property
    def seconds(self) -> float:
        """Time spent in the loop, this process and those before it."""
        return self.position.seconds + time.monotonic() - self._started

    def run(self) -> None:
        """Train to the end, or until asked to stop.

        Raises:
            CancelledError: asked to stop; a checkpoint is written first.
            TrainingError: the loss is no longer a number.
        """
        self._restore()
        spec, position = self._prepared.spec, self.position
        meter = ProgressMeter(self._emit, step=position.step, steps=self._steps)
        while position.epoch < spec.epochs:
            self._train_epoch(meter)
            before = time.monotonic()
            self._evaluate_epoch()
            meter.pause(time.monotonic() - before)
            if spec.patience is not None and position.stale >= spec.patience:
                break
        position.seconds = self.seconds

    def stop_if_asked(self) -> None:
        """Raise if the training was asked to stop.

        Raises:
            CancelledError: it was.
        """
        if self._should_stop():
            raise CancelledError("cancelled", STOPPED)

    def best_model(self) -> Any:
        """Return the weights of the best epoch as a plain transformers model on the CPU."""
        plain = self._accelerator.unwrap_model(self._model, keep_fp32_wrapper=False)
        if self._best is not None:
            self._copy_in(self._best)
        return model.merged(plain).cpu()

    def _train_epoch(self, meter: ProgressMeter) -> None:
        spec, position, encoded = (
            self._prepared.spec,
            self.position,
            self._prepared.encoded["train"],
        )
        batches = encoding.grouped_batches(
            [len(ids) for ids in encoded.ids],
            batch_size=spec.batch_size,
            seed=spec.seed,
            epoch=position.epoch,
        )
        self._model.train()
        losses: list[torch.Tensor] = []
        for rows in batches[position.batch :]:
            losses.append(self._update(rows))
            position.batch += 1
            position.step += 1
            meter.count(len(rows))
            if meter.is_due(position.step):
                meter.tell(
                    step=position.step,
                    epoch=position.epoch + 1,
                    evals_left=spec.epochs - position.epoch,
                    loss=_mean_loss(losses),
                    learning_rate=float(self._scheduler.get_last_lr()[0]),
                )
                losses.clear()
            self._save_if_due()
        if losses:
            _mean_loss(losses)

    def _update(self, rows: list[int]) -> torch.Tensor:
        """Do one optimizer step on these rows; return the loss, detached."""
        loss = functional.cross_entropy(
            self._logits("train", rows), self._targets("train", rows), weight=self._class_weights
        )
        self._accelerator.backward(loss)
        self._accelerator.clip_grad_norm_(self._parameters.values(), CLIP_NORM)
        self._optimizer.step()
        self._scheduler.step()
        self._optimizer.zero_grad()
        return loss.detach()

    def _logits(self, split: str, rows: list[int]) -> torch.Tensor:
        ids = [self._prepared.encoded[split].ids[row] for row in rows]
        input_ids, mask = encoding.collate(
            ids, pad_id=self._prepared.encoder.pad_id, multiple=PAD_MULTIPLE
        )
        output = self._model(
            input_ids=input_ids.to(self.device), attention_mask=mask.to(self.device)
        )
        logits: torch.Tensor = output.logits.float()
        return logits

    def _targets(self, split: str, rows: list[int]) -> torch.Tensor:
        return torch.from_numpy(self._prepared.classes[split][rows]).to(self.device)

    def _evaluate_epoch(self) -> None:
        """Score the validation rows, remember the weights if they are the best so far."""
        position, data = self.position, self._prepared.data
        true = self._prepared.classes["validation"]
        lengths = [len(ids) for ids in self._prepared.encoded["validation"].ids]
        predicted = np.zeros(len(true), dtype=np.int64)
        total_loss = 0.0
        self._model.eval()
        with torch.inference_mode():
            for rows in encoding.budget_batches(lengths, tokens=EVAL_TOKENS):
                logits = self._logits("validation", rows)
                targets = self._targets("validation", rows)
                total_loss += float(functional.cross_entropy(logits, targets, reduction="sum"))
                predicted[rows] = logits.argmax(dim=1).cpu().numpy()
        self.predicted = predicted
        position.epoch += 1
        position.batch = 0
        event = Eval(
            step=position.step,
            epoch=position.epoch,
            loss=total_loss / len(true),
            macro_f1=macro_f1(true, predicted, len(data.labels)),
            accuracy=float((predicted == true).mean()),
            examples=len(true),
        )
        # A later epoch wins a tie: with the rate at its lowest it is the calmer one.
        if event.macro_f1 >= position.best_macro_f1:
            position.best_macro_f1, position.best_epoch = event.macro_f1, position.epoch
            position.stale = 0
            self._best = {k: p.detach().cpu().clone() for k, p in self._parameters.items()}
        else:
            position.stale += 1
        position.history.append({k: v for k, v in asdict(event).items() if k != "at"})
        self._emit(event)

    def _save_if_due(self) -> None:
        stopping = self._should_stop()
        due = time.monotonic() - self._saved_at >= self._job.checkpoint_seconds
        if self._job.checkpoint is not None and (stopping or due):
            checkpoint.write(self._job.checkpoint, self._snapshot())
            self._saved_at = time.monotonic()
        if stopping:
            raise CancelledError("cancelled", STOPPED)

    def _snapshot(self) -> Checkpoint:
        cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
        return Checkpoint(
            fingerprint=self._prepared.fingerprint,
            position=Position(**{**asdict(self.position), "seconds": self.seconds}),
            weights=self._parameters,
            best=self._best,
            state={
                "optimizer": self._optimizer.state_dict(),
                "scheduler": self._scheduler.state_dict(),
                "random": torch.get_rng_state(),
                "random_cuda": cuda,
            },
        )

    def _restore(self) -> None:
        """Go on from the newest checkpoint, where that is wanted and there is one."""
        folder = self._job.checkpoint
        path = checkpoint.latest(folder) if folder is not None and self._job.resume else None
        if path is None:
            return
        try:
            found = checkpoint.read(path, fingerprint=self._prepared.fingerprint)
        except checkpoint.BrokenCheckpointError as exc:
            message = f"The checkpoint cannot be used ({exc}); training starts again."
            self._emit(Notice(code="checkpoint_broken", message=message))
            return
        self._copy_in(found.weights)
        self._optimizer.load_state_dict(found.state["optimizer"])
        self._scheduler.load_state_dict(found.state["scheduler"])
        torch.set_rng_state(found.state["random"])
        if found.state["random_cuda"]:
            torch.cuda.set_rng_state_all(found.state["random_cuda"])
        self._best = None if found.best is None else dict(found.best)
        self.position = found.position

    def _copy_in(self, weights: Any) -> None:
        with torch.no_grad():
            for name, parameter in self._parameters.items():
                parameter.copy_(weights[name])


def rate_factor(step: int, warmup: int, steps: int) -> float:
    """Return the share of the peak rate at `step`: linear up over `warmup`, linear down to 0."""
    if step < warmup:
        return (step + 1) / (warmup + 1)
    return max(0.0, (steps - step) / max(1, steps - warmup))


def _mean_loss(losses: list[torch.Tensor]) -> float:
    loss = float(torch.stack(losses).mean())
    if not math.isfinite(loss):
        raise TrainingError(
            "diverged", "The loss is no longer a number. Lower the learning rate and train again."
        )
    return loss
