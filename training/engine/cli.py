"""The engine's command line, for people and for the supervisor of runs.

    python -m training.engine train DATA.csv --text text --label label --out DIR
    python -m training.engine train --job JOB.json --leash      (what the supervisor runs)
    python -m training.engine trials --job JOB.json --leash     (trainings that are compared)
    python -m training.engine evaluate FOLDER DATA.csv
    python -m training.engine predict FOLDER "a text" ...
    python -m training.engine map ROWS.jsonl --out DIR
    python -m training.engine verify FOLDER

Exit status: 0 done and verified, 64 wrong settings, 65 wrong rows or folder, 75 stopped, 1 else.
"""

import argparse
import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO

from training.engine import artifact
from training.engine.catalog import DEFAULT_BASE
from training.engine.console import Console
from training.engine.errors import EngineError, SpecError
from training.engine.events import Emit, Event, Failed, to_line
from training.engine.spec import (
    METHODS,
    PRECISIONS,
    PRESETS,
    DataSpec,
    JobSpec,
    TrainSpec,
    TrialSpec,
)

EX_OK, EX_USAGE, EX_UNEXPECTED = 0, 64, 1
SPEC_OPTIONS = (
    "base",
    "method",
    "epochs",
    "learning_rate",
    "batch_size",
    "max_length",
    "seed",
    "patience",
    "threads",
    "precision",
)

logger = logging.getLogger(__name__)


class _Parser(argparse.ArgumentParser):
    """An argument parser whose exit status is this program's."""

    def error(self, message: str) -> Any:
        self.print_usage(sys.stderr)
        raise SpecError("usage", f"{message}. See --help.")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    with _own_stdout() as out:
        emit: Emit = Console(out)
        try:
            args = _parser().parse_args(argv)
            if args.command in _TOLD and (args.job or args.leash or args.events):
                emit = _line_writer(out)
            if args.command in _TOLD:
                _TOLD[args.command](args, emit)
            else:
                _COMMANDS[args.command](args, out)
        except EngineError as exc:
            emit(Failed(code=exc.code, message=exc.message))
            return exc.exit_code
        except Exception as exc:
            logger.exception("unexpected")
            emit(Failed(code="unexpected", message=f"{type(exc).__name__}: {exc}"))
            return EX_UNEXPECTED
        return EX_OK


def _train(args: argparse.Namespace, emit: Emit) -> None:
    stop = _stop_on_signals()
    _hold_leash(args)
    job = _job_from_file(args.job) if args.job else _job_from_options(args)
    _prepare_process(job.spec.threads)
    from training.engine.train import train

    train(job, emit=emit, should_stop=stop)


def _trials(args: argparse.Namespace, emit: Emit) -> None:
    stop = _stop_on_signals()
    _hold_leash(args)
    trials = TrialSpec.list_from_json(_job_content(args.job))
    _prepare_process(trials[0].spec.threads if trials else None)
    from training.engine.trials import run_trials

    run_trials(trials, emit=emit, should_stop=stop)


def _map(args: argparse.Namespace, emit: Emit) -> None:
    _hold_leash(args)
    _prepare_process(args.threads)
    from training.engine.mapping import make_map

    make_map(
        Path(args.rows),
        Path(args.out),
        emit=emit,
        base=args.base,
        seed=args.seed,
        threads=args.threads or 0,
    )


def _hold_leash(args: argparse.Namespace) -> None:
    if args.leash:
        threading.Thread(target=_die_with_parent, name="leash", daemon=True).start()


def _job_from_file(path: str) -> JobSpec:
    return JobSpec.from_json(_job_content(path))


def _job_content(path: str) -> Any:
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as exc:
        raise SpecError("job_unreadable", f"The job file cannot be read: {exc}") from exc
    except ValueError as exc:
        raise SpecError("job_unreadable", f"The job file is not valid JSON: {exc}") from exc
    return content


def _job_from_options(args: argparse.Namespace) -> JobSpec:
    if args.data is None or args.out is None:
        raise SpecError("usage", "Name the data file and --out, or --job. See --help.")
    overrides = {
        name: getattr(args, name) for name in SPEC_OPTIONS if getattr(args, name) is not None
    }
    if args.resume and args.checkpoint is None:
        raise SpecError("usage", "--resume needs --checkpoint, the folder to go on from.")
    if args.resume and not any(Path(args.checkpoint).glob("step-*/manifest.json")):
        raise SpecError("no_checkpoint", f"There is no checkpoint in {args.checkpoint}.")
    return JobSpec(
        data=_data_spec(args),
        spec=TrainSpec.from_preset(args.preset, **overrides),
        out=Path(args.out),
        checkpoint=None if args.checkpoint is None else Path(args.checkpoint),
        resume=args.resume,
        checkpoint_seconds=args.checkpoint_seconds,
    )


def _data_spec(args: argparse.Namespace) -> DataSpec:
    return DataSpec(path=args.data, text=args.text, label=args.label, split=args.split, id=args.id)


def _evaluate(args: argparse.Namespace, out: TextIO) -> None:
    _prepare_process(args.threads)
    from training.engine.score import score_file

    report = score_file(Path(args.folder), _data_spec(args), threads=args.threads or 1)
    if args.json:
        out.write(json.dumps(report, ensure_ascii=False) + "\n")
        return
    low, high = report["macro_f1_interval"]
    for label, line in report["report"].items():
        figures = line.items() if isinstance(line, dict) else [("", line)]
        out.write(f"{label}\t" + "\t".join(f"{k} {v:.4g}".strip() for k, v in figures) + "\n")
    out.write(f"macro-F1 {report['macro_f1']:.4f} (95 % {low:.4f} to {high:.4f})\n")


def _predict(args: argparse.Namespace, out: TextIO) -> None:
    texts = list(args.texts)
    if args.file:
        try:
            texts += Path(args.file).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as exc:
            raise SpecError("no_file", f"{args.file} cannot be read: {exc}") from exc
    if not texts:
        raise SpecError("usage", "Give a text, or --file with one text a line.")
    _prepare_process(args.threads)
    from training.engine.predict import Predictor

    predictor = Predictor(args.folder, threads=args.threads or 1)
    for text, answer in zip(texts, predictor.predict(texts), strict=True):
        if args.json:
            out.write(json.dumps({"text": text, **asdict(answer)}, ensure_ascii=False) + "\n")
        else:
            out.write(f"{answer.label}\t{answer.score:.4f}\t{text}\n")


def _verify(args: argparse.Namespace, out: TextIO) -> None:
    verified = artifact.verify(Path(args.folder))
    out.write(f"{verified.manifest_sha256}  {verified.bytes} bytes\n")


_COMMANDS: dict[str, Callable[[argparse.Namespace, TextIO], None]] = {
    "evaluate": _evaluate,
    "predict": _predict,
    "verify": _verify,
}
_TOLD: dict[str, Callable[[argparse.Namespace, Emit], None]] = {
    "train": _train,
    "trials": _trials,
    "map": _map,
}
"""Commands that say how far they are, as sentences or as lines of events."""


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="modelyard-engine", description="Fine-tune and use text classifiers.")
    commands = parser.add_subparsers(dest="command", required=True, parser_class=_Parser)
    train = commands.add_parser("train", help="fine-tune a model on a file of labelled texts")
    train.add_argument("data", nargs="?", help="CSV, JSONL or Parquet")
    _add_columns(train)
    _add_train_options(train)
    trials = commands.add_parser("trials", help="train several times and compare, without a model")
    trials.add_argument("--job", required=True, help="JSON file with trials and threads")
    trials.add_argument("--leash", action="store_true", help="die when standard input ends")
    evaluate = commands.add_parser("evaluate", help="report a model on labelled rows")
    evaluate.add_argument("folder")
    evaluate.add_argument("data")
    _add_columns(evaluate)
    predict = commands.add_parser("predict", help="classify texts")
    predict.add_argument("folder")
    predict.add_argument("texts", nargs="*")
    predict.add_argument("--file", help="one text a line")
    for command in (evaluate, predict):
        command.add_argument("--json", action="store_true", help="write JSON")
        command.add_argument("--threads", type=int, help="compute threads (1)")
    mapped = commands.add_parser("map", help="lay texts out on a plane, like near like")
    mapped.add_argument("rows", help='JSON Lines: {"text": "...", "label": "..." or null}')
    mapped.add_argument("--out", required=True, help="folder to be made")
    mapped.add_argument("--base", default=DEFAULT_BASE, help=f"({DEFAULT_BASE})")
    mapped.add_argument("--seed", type=int, default=0)
    mapped.add_argument("--threads", type=int, help="compute threads (all owned cores)")
    mapped.set_defaults(job=None)
    _add_events(mapped)
    verify = commands.add_parser("verify", help="check a model folder against its manifest")
    verify.add_argument("folder")
    return parser


def _add_columns(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--text", default="text", help="column of the text")
    parser.add_argument("--label", default="label", help="column of the label")
    parser.add_argument("--split", help="column that says train, validation or test")
    parser.add_argument("--id", help="column that identifies a row")


def _add_train_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", help="folder to be made")
    parser.add_argument("--preset", default="balanced", choices=sorted(PRESETS))
    parser.add_argument("--base", help=f"catalogue name or folder ({DEFAULT_BASE})")
    parser.add_argument("--method", choices=METHODS)
    parser.add_argument("--precision", choices=PRECISIONS)
    parser.add_argument("--learning-rate", type=float)
    for name in ("epochs", "batch-size", "max-length", "seed", "patience", "threads"):
        parser.add_argument(f"--{name}", type=int)
    parser.add_argument("--checkpoint", help="folder for checkpoints")
    parser.add_argument("--checkpoint-seconds", type=float, default=60.0)
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint")
    parser.add_argument("--job", help="JSON file with data, spec, out; implies --events")
    _add_events(parser)


def _add_events(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--events", action="store_true", help="write JSON lines")
    parser.add_argument("--leash", action="store_true", help="die when standard input ends")


def _prepare_process(threads: int | None) -> None:
    """Set what the heavy libraries read when they are imported: no network, few threads."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    # Waiting threads sleep instead of spinning: on busy cores two spinning threads burn five
    # times the processor time of one, and finish later than it.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false" if threads == 1 else "true")
    if threads is not None:
        for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
            os.environ.setdefault(name, str(threads))
        os.environ.setdefault("RAYON_NUM_THREADS", str(threads))


def _stop_on_signals() -> Callable[[], bool]:
    """Turn SIGTERM and the first Ctrl-C into a question the loop asks."""
    asked = threading.Event()

    def ask(number: int, _frame: object) -> None:
        asked.set()
        if number == signal.SIGINT:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, ask)
    return asked.is_set


def _die_with_parent() -> None:
    """Wait for the end of standard input, which the parent holds open, and exit at once."""
    while os.read(0, 4096):
        pass
    os._exit(EX_UNEXPECTED)


def _line_writer(out: TextIO) -> Emit:
    def emit(event: Event) -> None:
        out.write(to_line(event) + "\n")
        out.flush()

    return emit


@contextmanager
def _own_stdout() -> Iterator[TextIO]:
    """Yield the real standard output; whatever a library prints goes to standard error.

    Only where file descriptors are the process's own; under a test's capture, nothing moves.
    """
    try:
        number = sys.stdout.fileno()
    except (OSError, ValueError):
        number = -1
    if number != 1:
        yield sys.stdout
        return
    sys.stdout.flush()
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as out:
        os.dup2(2, 1)
        try:
            yield out
        finally:
            out.flush()
            os.dup2(out.fileno(), 1)
