"""Events for a person: one moving line on a terminal, plain lines elsewhere."""

from typing import TextIO

from training.engine.events import (
    Baseline,
    Done,
    Eval,
    Event,
    Failed,
    Notice,
    Phase,
    Progress,
    Step,
)

BAR_WIDTH = 24


class Console:
    """Writes events to a stream; call it with an event."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._is_terminal = out.isatty()
        self._on_moving_line = False

    def __call__(self, event: Event) -> None:
        """Write one event."""
        if isinstance(event, Progress):
            if self._is_terminal:
                self._out.write(f"\r{progress_line(event)}\x1b[K")
                self._on_moving_line = True
        else:
            if self._on_moving_line:
                self._out.write("\n")
                self._on_moving_line = False
            self._out.write(f"{line(event)}\n")
        self._out.flush()


def progress_line(event: Progress) -> str:
    """Return the bar, figures and time left."""
    done = round(BAR_WIDTH * event.step / event.steps)
    bar = "#" * done + "-" * (BAR_WIDTH - done)
    return (
        f"[{bar}] {event.step}/{event.steps} epoch {event.epoch} loss {event.loss:.4f} "
        f"{event.examples_per_second:.1f} rows/s, {event.eta_seconds:.0f} s left"
    )


def line(event: Event) -> str:
    """Return the sentence for any event but progress."""
    text = str(event)
    match event:
        case Phase():
            text = f"{event.name} ..."
        case Eval():
            text = (
                f"epoch {event.epoch}: validation loss {event.loss:.4f}, "
                f"macro-F1 {event.macro_f1:.4f}, accuracy {event.accuracy:.4f}"
            )
        case Step():
            text = f"{event.phase} {event.done}/{event.total}"
        case Baseline():
            text = f"baseline (TF-IDF + logistic regression): macro-F1 {event.macro_f1:.4f}"
        case Notice():
            text = f"warning ({event.code}): {event.message}"
        case Failed():
            text = f"error ({event.code}): {event.message}"
        case Done():
            text = _summary(event)
    return text


def _summary(event: Done) -> str:
    figures = event.metrics
    return (
        f"done: test macro-F1 {figures['macro_f1']:.4f} "
        f"({figures['macro_f1_low']:.4f} to {figures['macro_f1_high']:.4f}), "
        f"baseline {figures['baseline_macro_f1']:.4f}, "
        f"{figures['total_seconds']:.1f} s, manifest {event.manifest_sha256}"
    )
