"""The command line as a person and as the supervisor use it, in processes of its own."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.engine.conftest import Trained
from training.engine.catalog import file_sha256
from training.engine.cli import main
from training.engine.events import Done, Event, Failed, Phase, Progress, parse
from training.engine.spec import JobSpec
from training.engine.train import train

ROOT = Path(__file__).parents[2]
# The engine must be usable where Django is not installed: it must not load it.
WITHOUT_DJANGO = (
    "import sys; from training.engine.cli import main; code = main(sys.argv[1:]); "
    "sys.exit(99 if 'django' in sys.modules or 'celery' in sys.modules else code)"
)


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WITHOUT_DJANGO, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        cwd=ROOT,
    )


def job_file(path: Path, job: JobSpec, **more: object) -> str:
    content = {
        "data": job.data.to_json(),
        "spec": job.spec.to_json(),
        "out": str(job.out),
        "checkpoint": None if job.checkpoint is None else str(job.checkpoint),
        "threads": 1,
        **more,
    }
    path.write_text(json.dumps(content))
    return str(path)


def test_sigterm_ends_with_75_and_the_next_process_finishes_with_the_same_weights(
    make_job: Callable[..., JobSpec], tmp_path: Path
) -> None:
    # Long enough that the signal after the first step arrives well before the end.
    job = make_job(tmp_path / "model", checkpoint=tmp_path / "checkpoints", epochs=12)
    whole = make_job(tmp_path / "uninterrupted", epochs=12)
    train(whole, emit=lambda _event: None, should_stop=lambda: False)
    path = job_file(tmp_path / "job.json", job)
    events: list[Event] = []
    with start("train", "--job", path, "--leash") as child:
        assert child.stdout is not None
        for line in child.stdout:
            events.append(parse(line))
            if isinstance(events[-1], Progress) and events[-1].step == 1:
                child.send_signal(signal.SIGTERM)
        assert child.wait(60) == 75
    assert isinstance(events[-1], Failed)
    assert events[-1].code == "cancelled"
    assert not job.out.exists()
    with start("train", "--job", path, "--leash") as child:
        assert child.stdout is not None
        events = [parse(line) for line in child.stdout]
        assert child.wait(60) == 0
    steps = [event for event in events if isinstance(event, Progress)]
    assert isinstance(events[0], Phase)
    assert isinstance(events[-1], Done)
    assert steps[0].step > 1
    assert steps[-1].step == steps[-1].steps
    assert file_sha256(job.out / "model.safetensors") == file_sha256(
        whole.out / "model.safetensors"
    )


def test_the_leash_kills_the_child_when_its_parent_is_gone(
    make_job: Callable[..., JobSpec], tmp_path: Path
) -> None:
    job = make_job(tmp_path / "model", epochs=100)
    with start("train", "--job", job_file(tmp_path / "job.json", job), "--leash") as child:
        assert child.stdin is not None
        assert child.stdout is not None
        for line in child.stdout:
            if isinstance(parse(line), Progress):
                break
        child.stdin.close()
        assert child.wait(5) == 1
    assert not job.out.exists()


def test_bad_settings_and_bad_rows_have_their_own_exit_status(
    make_job: Callable[..., JobSpec], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text("text,label\na,good\nb,good\n")
    job = make_job(tmp_path / "model")
    cases = [
        (["train", "--job", job_file(tmp_path / "a.json", job, spec={"epochs": 0})], 64),
        (["train", "--job", job_file(tmp_path / "b.json", job, data={"path": str(rows)})], 65),
        (["train", "--job", str(tmp_path / "absent.json")], 64),
        (["train"], 64),
        (["train", str(rows), "--out", "x", "--epochs", "many"], 64),
        (["train", str(rows), "--out", "x", "--resume"], 64),
        (["verify", str(tmp_path)], 65),
        (["predict", str(tmp_path), "a text"], 65),
        (["dance"], 64),
    ]
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    for arguments, status in cases:
        assert main(arguments) == status, arguments
        output = capsys.readouterr().out
        if "--job" in arguments:
            events = [parse(line) for line in output.splitlines()]
            assert isinstance(events[-1], Failed)
        else:
            assert output.startswith("error ("), output
    for number, handler in handlers.items():
        signal.signal(number, handler)
    assert not job.out.exists()


def test_evaluate_predict_and_verify_use_the_folder(
    trained: Trained, rows_csv: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(trained.folder)
    assert main(["verify", folder]) == os.EX_OK
    assert capsys.readouterr().out.split()[0] == trained.done.manifest_sha256
    assert main(["predict", folder, "a splendid lovely film", "--json"]) == os.EX_OK
    assert json.loads(capsys.readouterr().out)["label"] == "good"
    assert main(["evaluate", folder, str(rows_csv), "--json"]) == os.EX_OK
    assert json.loads(capsys.readouterr().out)["macro_f1"] > 0.9
    assert main(["evaluate", folder, str(rows_csv)]) == os.EX_OK
    assert "macro-F1 0." in capsys.readouterr().out.replace("1.0000", "0.")


def test_a_label_the_model_does_not_know_is_refused(
    trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("text,label\na film,unheard\n")
    assert main(["evaluate", str(trained.folder), str(path)]) == 65
    assert "bad, good" in capsys.readouterr().out
