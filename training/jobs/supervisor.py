"""One attempt of a run: claim, fetch rows, start the engine, listen, store, register.

Every write is fenced by the lease. Whatever goes wrong ends in exactly one of: succeeded,
failed with a sentence, cancelled, queued again, or (lease lost) nothing written at all.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import time
import uuid
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version as package_version
from pathlib import Path
from typing import Any

import structlog
from django.conf import settings
from django.db import InterfaceError, OperationalError, connection

from billing import entitlements, plans
from modelyard.core import storage
from modelyard.core.errors import DomainError, Unavailable
from tenants.scoping.context import tenant_scope
from training.datasets import selectors as datasets
from training.engine import events as engine
from training.engine.spec import TrainSpec
from training.jobs import failures, forecast, leases, recipes, workdir
from training.jobs.child import Child
from training.jobs.heartbeat import CANCEL, LOST, OVERTIME, STALLED, Heartbeat
from training.jobs.models import Run
from training.jobs.progress import Listener
from training.jobs.states import RunStatus
from training.jobs.types import Item, Lease, LeaseLost
from training.registry import artifacts
from training.registry import selectors as registry
from training.registry.types import NewVersion

logger = structlog.get_logger(__name__)
CANCELLED_EXIT = 75
ROWS_FILE = "rows.parquet"
_STOPPED = {STALLED: failures.STALLED, OVERTIME: failures.TIME_LIMIT}


@dataclass(frozen=True)
class Order:
    """What is to be trained, read once at the start of an attempt."""

    model_name: str
    dataset_version_id: uuid.UUID
    rows_key: str
    spec: dict[str, Any]
    expected_seconds: float
    limit_seconds: float


@dataclass(frozen=True)
class Exit:
    """How the engine's process ended."""

    code: int
    seconds: float
    listener: Listener
    stderr: str


def execute(*, tenant_id: uuid.UUID, run_id: uuid.UUID) -> None:
    """Do one attempt of the run, if it is there to be done."""
    owner = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"[-120:]
    lease = leases.claim(tenant_id=tenant_id, run_id=run_id, owner=owner)
    if lease is None:
        logger.info("run_not_there_to_take")
        return
    workdir.sweep()
    try:
        _hold(lease)
    except LeaseLost:
        logger.warning("lease_lost", attempt=lease.attempt)
        _remove_orphans(lease)


def _hold(lease: Lease) -> None:
    """Do the attempt; turn whatever goes wrong into an end of the run."""
    folder = workdir.attempt_folder(lease.run_id, lease.attempt)
    again = True
    try:
        order = _order(lease)
        beat = partial(leases.beat, lease)
        with Heartbeat(beat, limit_seconds=order.limit_seconds) as heart:
            again = _attempt(lease, order, folder, heart)
    except Unavailable as error:
        again = leases.give_back(lease, error.code, error.message)
    except DomainError as error:
        leases.fail(lease, error.code, error.message, facts={})
        again = False
    except (OperationalError, InterfaceError):
        logger.exception("database_lost")
        connection.close()
        code = failures.DATABASE_LOST
        again = leases.give_back(lease, code, failures.sentence(code))
    except LeaseLost:
        raise
    except Exception:
        code = failures.INTERNAL
        leases.fail(lease, code, failures.sentence(code), facts={})
        again = False
        raise
    finally:
        if again:
            workdir.keep_checkpoint(folder)
        else:
            workdir.remove(lease.run_id)


def _attempt(lease: Lease, order: Order, folder: Path, heart: Heartbeat) -> bool:
    """Return whether the run was queued again."""
    storage.download(order.rows_key, folder / ROWS_FILE)
    if not leases.advance(lease, RunStatus.RUNNING):
        leases.cancel(lease)
        return False
    ended = _train(lease, order, folder, heart)
    if heart.verdict == LOST:
        raise LeaseLost
    if ended.code == 0 and ended.listener.done is not None:
        _keep(lease, order, folder, ended)
        return False
    return _end_without_model(lease, ended, heart)


def _train(lease: Lease, order: Order, folder: Path, heart: Heartbeat) -> Exit:
    job = {
        "data": {
            "path": str(folder / ROWS_FILE),
            "text": "text",
            "label": "label",
            "split": "split",
            "id": "id",
        },
        "spec": {**order.spec, "base": recipes.base_location(order.spec["base"])},
        "out": str(folder / "out"),
        "checkpoint": str(folder / "checkpoint"),
        "checkpoint_seconds": settings.RUN_CHECKPOINT_SECONDS,
        "threads": settings.RUN_THREADS,
    }
    started = time.monotonic()
    listener = Listener(expected_seconds=order.expected_seconds)
    with Child(work=folder, job=job, grace=settings.RUN_CANCEL_GRACE_SECONDS) as child:
        heart.watch(child)
        for line in child.lines():
            heart.heard()
            items, fields = listener.hear(parsed(line))
            if items or fields:
                leases.say(lease, items, **fields)
        code = child.wait()
        seconds = time.monotonic() - started
        return Exit(code=code, seconds=seconds, listener=listener, stderr=child.stderr_tail())


def _keep(lease: Lease, order: Order, folder: Path, ended: Exit) -> None:
    """Store the artifact, then register, charge and succeed at once."""
    facts = [Item("phase", {"name": "uploading", "percent": 99})]
    if not leases.advance(lease, RunStatus.SAVING, phase="uploading"):
        leases.cancel(lease)
        return
    leases.say(lease, facts, eta_seconds=1.0)
    for earlier in range(1, lease.attempt):
        storage.delete_prefix(f"{_prefix(lease, earlier)}/")
    out = folder / "out"
    artifact = artifacts.artifact_upload(prefix=_prefix(lease), folder=out)
    args = _read(out / "training_args.json")
    done = ended.listener.done
    leases.finish(
        lease,
        NewVersion(
            model_name=order.model_name,
            run_id=lease.run_id,
            dataset_version_id=order.dataset_version_id,
            artifact=artifact,
            labels=tuple(_read(out / "metrics.json")["test"]["labels"]),
            metrics=done.metrics if done is not None else {},
            # The base is named as it was ordered: a folder of this host means nothing elsewhere.
            spec={**args["spec"], "base": order.spec["base"], "threads": None},
            base=str(order.spec["base"]),
            engine_version=package_version("modelyard"),
        ),
        train_ms=max(1, round(ended.seconds * 1000)),
    )


def _end_without_model(lease: Lease, ended: Exit, heart: Heartbeat) -> bool:
    """Cancel, fail or queue again; return whether it was queued again."""
    failed = ended.listener.failed
    tail: dict[str, object] = {"exit_code": ended.code, "stderr": ended.stderr}
    if heart.verdict == CANCEL:
        leases.cancel(lease)
        return False
    stopped = _STOPPED.get(heart.verdict)
    if stopped is not None:
        leases.fail(lease, stopped, failures.sentence(stopped), facts=tail)
        return False
    if ended.code in {-signal.SIGKILL, -signal.SIGTERM, CANCELLED_EXIT}:
        code = failures.WORKER_LOST
        return leases.give_back(lease, code, failures.sentence(code))
    if failed is not None and failed.code != "unexpected":
        leases.fail(lease, failed.code, failed.message, facts={})
        return False
    code = failures.ENGINE_CRASHED
    leases.fail(lease, code, failures.sentence(code), facts=tail)
    return False


def _order(lease: Lease) -> Order:
    with tenant_scope(lease.tenant_id):
        run = Run.objects.get(pk=lease.run_id)
        version = datasets.version_get(run.dataset_version_id)
        left = seconds_left(lease.tenant_id)
    expected = forecast.estimate(TrainSpec.from_json(run.spec), version.split_counts)
    return Order(
        model_name=run.model_name,
        dataset_version_id=version.id,
        rows_key=version.rows_key,
        spec=run.spec,
        expected_seconds=expected.middle,
        limit_seconds=min(settings.RUN_MAX_SECONDS, left),
    )


def seconds_left(tenant_id: uuid.UUID) -> float:
    """Return how much training the plan still allows in this period."""
    most = entitlements.current(tenant_id).limits[plans.TRAIN_MS]
    if most is None:
        return float("inf")
    return max(0, most - (entitlements.used(tenant_id, plans.TRAIN_MS) or 0)) / 1000


def _remove_orphans(lease: Lease) -> None:
    """Remove what this attempt may have stored, unless the registry knows it.

    (It does when the commit arrived and only its answer was lost.)
    """
    prefix = _prefix(lease)
    with tenant_scope(lease.tenant_id):
        if registry.version_list().filter(artifact_prefix=prefix).exists():
            return
    storage.delete_prefix(f"{prefix}/")


def _prefix(lease: Lease, attempt: int | None = None) -> str:
    return artifacts.prefix_for(lease.tenant_id, lease.run_id, attempt or lease.attempt)


def parsed(line: str) -> engine.Event:
    """Return what the engine said; a line of somebody else becomes a notice."""
    try:
        return engine.parse(line)
    except ValueError:
        # Not ours, but somebody may need it to find out what went wrong.
        return engine.Notice(code="unreadable_line", message=line.strip()[:500])


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
