"""The folders of runs on a worker: one per attempt, so that two attempts never share a file."""

from __future__ import annotations

import shutil
import time
import uuid
from pathlib import Path

import structlog
from django.conf import settings

logger = structlog.get_logger(__name__)

OLD_SECONDS = 7 * 24 * 3600.0


def run_folder(run_id: uuid.UUID) -> Path:
    """Return the folder of all attempts of a run on this host."""
    return settings.RUN_WORK_DIR / str(run_id)


def attempt_folder(run_id: uuid.UUID, attempt: int) -> Path:
    """Make the folder of an attempt, with the newest checkpoint of an earlier one on this host.

    Checkpoints are copied, not shared: a frozen worker may wake up and write to its own.
    """
    base = run_folder(run_id)
    folder = base / str(attempt)
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "checkpoint").mkdir(parents=True)
    newest = max(
        (path.parent for path in base.glob("*/checkpoint/step-*/manifest.json")),
        key=lambda path: path.name,
        default=None,
    )
    if newest is not None:
        try:
            shutil.copytree(newest, folder / "checkpoint" / newest.name)
        except (OSError, shutil.Error) as error:
            # Its owner may be alive and have replaced it; without one the run starts again.
            logger.info("checkpoint_gone", run_id=str(run_id), error=str(error))
            shutil.rmtree(folder / "checkpoint")
            (folder / "checkpoint").mkdir()
    return folder


def keep_checkpoint(folder: Path) -> None:
    """Remove what an attempt leaves, but its checkpoints: another attempt may go on from them."""
    for path in folder.iterdir():
        if path.name == "checkpoint":
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def remove(run_id: uuid.UUID) -> None:
    """Remove everything of a run that is over."""
    shutil.rmtree(run_folder(run_id), ignore_errors=True)


def sweep() -> None:
    """Remove folders that no run has touched for a week."""
    if not settings.RUN_WORK_DIR.is_dir():
        return
    for folder in settings.RUN_WORK_DIR.iterdir():
        if time.time() - folder.stat().st_mtime > OLD_SECONDS:
            shutil.rmtree(folder, ignore_errors=True)
