"""The job that measures a gain: one child of the engine trains with and without, seed by seed.

Each training that is over is stored and charged in one transaction, so a worker that takes over
goes on with the next one. The child never sees a row of test: the files it gets have none, and
the engine refuses a file that has.
"""

from __future__ import annotations

import signal
import tempfile
import time
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import structlog
from django.conf import settings

from billing import plans, usage
from modelyard.core import storage
from modelyard.core.errors import DomainError, Unavailable
from tenants import selectors as tenants
from tenants.controls import switches
from tenants.scoping.context import tenant_scope
from training.datasets import selectors as datasets
from training.datasets.services import work
from training.engine import events as engine
from training.jobs import failures, recipes, supervisor
from training.jobs.child import Child
from training.jobs.heartbeat import LOST, OVERTIME, STALLED, Heartbeat
from training.loops import selectors, verdicts
from training.loops.models import Gain
from training.loops.types import PRESET, TRAININGS, UNITS, Training

logger = structlog.get_logger(__name__)
COLUMNS = ("id", "text", "label", "split", "parent")
SAY_SECONDS = 1.0
_STOPPED = {STALLED: failures.STALLED, OVERTIME: failures.TIME_LIMIT}
_KILLED = {-signal.SIGKILL, -signal.SIGTERM}


@dataclass(frozen=True)
class Files:
    """The rows to learn from and to judge by, with the augmented ones and without."""

    augmented: Path
    real: Path


def gain_measure(*, tenant_id: uuid.UUID, gain_id: uuid.UUID) -> None:
    """Measure, unless somebody does; delivered twice, done once.

    While training is paused, or the tenant is closed, it waits: the sweep rings again.
    """
    if switches.is_stopped(switches.TRAINING) or not tenants.tenant_get(tenant_id).is_active:
        return
    claimed = work.claim(Gain, tenant_id=tenant_id, row_id=gain_id)
    if claimed is None:
        return
    try:
        _measure(claimed)
    except work.WorkLost:
        logger.info("gain_lost", gain=str(gain_id))
    except Unavailable:
        # The lease runs out, and the sweep rings for another try.
        raise
    except DomainError as error:
        _fail(claimed, error.code, error.message)


def _measure(claimed: work.Claim[Gain]) -> None:
    gain = claimed.row
    with tenant_scope(gain.tenant_id):
        rows_key = datasets.version_get(gain.version_id).rows_key
        limit = min(settings.RUN_MAX_SECONDS, supervisor.seconds_left(gain.tenant_id))
        claimed.keep(done=UNITS * len(gain.trainings))
    beat = partial(_renew, claimed)
    with (
        tempfile.TemporaryDirectory(prefix="modelyard-gain-") as name,
        Heartbeat(beat, limit_seconds=limit) as heart,
    ):
        trainings = selectors.left(gain)
        if trainings:
            files = files_write(rows_key, Path(name))
            code, hearing, stderr = _train(claimed, trainings, files, Path(name), heart)
            if heart.verdict == LOST:
                raise work.WorkLost
            if selectors.left(gain):
                _end_short(claimed, code, hearing, heart.verdict, stderr)
                return
        _end(claimed)


def _renew(claimed: work.Claim[Gain]) -> str | None:
    try:
        with tenant_scope(claimed.row.tenant_id):
            claimed.keep()
    except work.WorkLost:
        return None
    return "running"


def files_write(rows_key: str, folder: Path) -> Files:
    """Fetch a version's rows and write what the trainings may read; test rows are left out."""
    whole = folder / "rows.parquet"
    storage.download(rows_key, whole)
    files = Files(augmented=folder / "with.parquet", real=folder / "without.parquet")
    schema = pa.schema({name: pa.string() for name in COLUMNS})
    with (
        pq.ParquetFile(whole) as file,
        pq.ParquetWriter(files.augmented, schema) as augmented,
        pq.ParquetWriter(files.real, schema) as real,
    ):
        for batch in file.iter_batches(columns=list(COLUMNS)):
            table = pa.Table.from_batches([batch]).cast(schema)
            seen = table.filter(pc.not_equal(table["split"], "test"))
            augmented.write_table(seen)
            real.write_table(seen.filter(pc.is_null(seen["parent"])))
    whole.unlink()
    return files


def _train(
    claimed: work.Claim[Gain],
    trainings: Sequence[Training],
    files: Files,
    folder: Path,
    heart: Heartbeat,
) -> tuple[int, _Hearing, str]:
    """Return the child's exit status, what was heard, and the end of its standard error."""
    base = claimed.row.base
    job = {
        "trials": [_trial(one, base, files) for one in trainings],
        "threads": settings.RUN_THREADS,
    }
    hearing = _Hearing(claimed, trainings)
    grace = settings.RUN_CANCEL_GRACE_SECONDS
    with Child(work=folder, job=job, grace=grace, act="trials") as child:
        heart.watch(child)
        for line in child.lines():
            heart.heard()
            hearing.hear(supervisor.parsed(line))
        return child.wait(), hearing, child.stderr_tail()


def _trial(one: Training, base: str, files: Files) -> dict[str, Any]:
    spec = recipes.spec_build(PRESET, {"base": base, "seed": one.seed}).to_json()
    path = files.augmented if one.augmented else files.real
    return {
        "key": one.key,
        "data": {
            "path": str(path),
            "text": "text",
            "label": "label",
            "split": "split",
            "id": "id",
        },
        "spec": {**spec, "base": recipes.base_location(base)},
    }


class _Hearing:
    """What the child says, turned into progress, results and charges."""

    def __init__(self, claimed: work.Claim[Gain], trainings: Sequence[Training]) -> None:
        self.failed: engine.Failed | None = None
        self._claimed = claimed
        self._left = list(trainings)
        self._began = time.monotonic()
        self._said = float("-inf")

    def hear(self, event: engine.Event) -> None:
        """Write what an event says.

        Raises:
            WorkLost: The measurement was stopped, or is somebody else's.
        """
        if isinstance(event, engine.Trial):
            self._keep(event)
        elif isinstance(event, engine.Failed):
            self.failed = event
        elif isinstance(event, engine.Progress):
            self._progress(event)

    def _progress(self, event: engine.Progress) -> None:
        now = time.monotonic()
        if now - self._said < SAY_SECONDS:
            return
        self._said = now
        gain = self._claimed.row
        known = [one["train_ms"] / 1000 for one in gain.trainings]
        each = sum(known) / len(known) if known else now - self._began + event.eta_seconds
        eta = event.eta_seconds + each * (len(self._left) - 1)
        done = UNITS * len(gain.trainings) + UNITS * event.step // max(event.steps, 1)
        with tenant_scope(gain.tenant_id):
            self._claimed.keep(done=done, eta_seconds=round(eta, 1))

    def _keep(self, event: engine.Trial) -> None:
        """Store and charge a training that is over, both or neither."""
        gain, one = self._claimed.row, self._left.pop(0)
        now = time.monotonic()
        took = max(1, round((now - self._began) * 1000))
        self._began = now
        said = {"macro_f1": event.macro_f1, "accuracy": event.accuracy, "train_ms": took}
        training = {"key": one.key, **asdict(one), **said, "predicted": event.predicted}
        trainings = [*gain.trainings, training]
        truth = {"labels": event.labels, "true": event.true}
        with tenant_scope(gain.tenant_id):
            self._claimed.keep(trainings=trainings, truth=truth, done=UNITS * len(trainings))
            usage.record(
                tenant_id=gain.tenant_id,
                entry_id=f"gain:{gain.pk}:{gain.base}:{one.key}",
                meter=plans.TRAIN_MS,
                amount=took,
                subject={"gain": gain.pk, "version": gain.version_id, "training": one.key},
            )
        gain.trainings, gain.truth = trainings, truth


def _end_short(
    claimed: work.Claim[Gain], code: int, hearing: _Hearing, verdict: str, stderr: str
) -> None:
    """End a measurement whose child ended before the last training."""
    failed = hearing.failed
    if verdict in _STOPPED:
        cause = _STOPPED[verdict]
        _fail(claimed, cause, failures.sentence(cause))
    elif code in _KILLED:
        # Not by us: most likely memory ran out. The lease runs out, and the sweep rings for
        # another try; after the last one it ends as lost.
        logger.warning("gain_child_killed", gain=str(claimed.row.pk), exit_code=code)
    elif failed is not None and failed.code != "unexpected":
        _fail(claimed, failed.code, failed.message)
    else:
        logger.error("gain_child_crashed", gain=str(claimed.row.pk), exit_code=code, stderr=stderr)
        cause = failures.ENGINE_CRASHED
        _fail(claimed, cause, failures.sentence(cause))


def _fail(claimed: work.Claim[Gain], code: str, sentence: str) -> None:
    with suppress(work.WorkLost):  # stopped meanwhile: that is its end
        claimed.fail(code[:48], {"sentence": sentence})


def _end(claimed: work.Claim[Gain]) -> None:
    """Say what was found; what the trainings predicted is not needed any more."""
    gain = claimed.row
    by_key = {one["key"]: one for one in gain.trainings}
    arms = {
        augmented: [by_key[one.key]["predicted"] for one in TRAININGS if one.augmented == augmented]
        for augmented in (False, True)
    }
    true = gain.truth["true"]
    found = verdicts.finding(
        true=true, without=arms[False], augmented=arms[True], labels=gain.truth["labels"]
    )
    kept = [{name: v for name, v in one.items() if name != "predicted"} for one in gain.trainings]
    with tenant_scope(gain.tenant_id):
        claimed.end(
            "done",
            result={**asdict(found), "rows": len(true)},
            trainings=kept,
            truth={},
            done=UNITS * len(TRAININGS),
            eta_seconds=None,
        )
