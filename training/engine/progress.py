"""How often to tell, how fast it goes, and when it will be done."""

import time

from training.engine.events import Emit, Progress

INTERVAL_SECONDS = 0.5


class ProgressMeter:
    """Turns steps into `Progress` events: at most two a second, first and last step always.

    The rate and the time left are of this process alone, so that a resumed run does not count
    the steps it did not do. Time spent in evaluations is kept apart and added per evaluation
    still to come.
    """

    def __init__(self, emit: Emit, *, step: int, steps: int) -> None:
        self._emit = emit
        self._first_step = step
        self._steps = steps
        self._started = time.monotonic()
        self._outside = 0.0
        self._last_eval = 0.0
        self._examples = 0
        self._told_at: float | None = None

    def pause(self, seconds: float) -> None:
        """Count `seconds` as an evaluation, not as steps."""
        self._outside += seconds
        self._last_eval = seconds

    def count(self, examples: int) -> None:
        """Count the rows of one step."""
        self._examples += examples

    def is_due(self, step: int) -> bool:
        """Tell whether this step is to be reported."""
        last = step == self._steps
        return last or self._told_at is None or time.monotonic() - self._told_at >= INTERVAL_SECONDS

    def tell(
        self, *, step: int, epoch: int, evals_left: int, loss: float, learning_rate: float
    ) -> None:
        """Emit one event."""
        self._told_at = time.monotonic()
        busy = max(self._told_at - self._started - self._outside, 1e-9)
        per_step = busy / max(step - self._first_step, 1)
        self._emit(
            Progress(
                phase="training",
                step=step,
                steps=self._steps,
                epoch=epoch,
                loss=loss,
                learning_rate=learning_rate,
                examples_per_second=round(self._examples / busy, 2),
                eta_seconds=round(
                    per_step * (self._steps - step) + evals_left * self._last_eval, 1
                ),
            )
        )
