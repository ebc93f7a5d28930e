"""Trainings that are compared with each other: the same loop, figures on validation, no model."""

from collections.abc import Callable, Sequence
from pathlib import Path

from training.engine.errors import CancelledError
from training.engine.events import Emit, Phase, Trial
from training.engine.prepare import prepare
from training.engine.spec import JobSpec, TrialSpec
from training.engine.train import STOPPED, Loop

_NOWHERE = Path("no-model")
"""A job names a folder; a trial never makes it."""


def run_trials(
    trials: Sequence[TrialSpec], *, emit: Emit, should_stop: Callable[[], bool]
) -> list[Trial]:
    """Train one after the other; emit and return the figures of each.

    The figure is that of the last epoch, not of the best one: choosing the best of several by
    the rows that judge would flatter whoever has more epochs.

    Args:
        trials: what and how.
        emit: gets every event but `Failed`.
        should_stop: asked between steps and phases.

    Raises:
        SpecError: the settings or the base model.
        DataError: the rows; `test_rows` where one of them is of test.
        TrainingError: the loss is no longer a number.
        CancelledError: `should_stop` said yes.
    """

    def enter(phase: str) -> None:
        if should_stop():
            raise CancelledError("cancelled", STOPPED)
        emit(Phase(name=phase))

    found = []
    for one in trials:
        job = JobSpec(data=one.data, spec=one.spec, out=_NOWHERE)
        prepared = prepare(job, enter=enter, emit=emit, test=False)
        enter("training")
        loop = Loop(prepared, job, emit=emit, should_stop=should_stop)
        loop.run()
        last = loop.position.history[-1]
        trial = Trial(
            key=one.key,
            macro_f1=last["macro_f1"],
            accuracy=last["accuracy"],
            labels=len(prepared.data.labels),
            true=prepared.classes["validation"].tolist(),
            predicted=loop.predicted.tolist(),
        )
        emit(trial)
        found.append(trial)
    return found
