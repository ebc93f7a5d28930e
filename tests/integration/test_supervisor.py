"""The supervisor of the platform's own processes, on small real processes."""

import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from modelyard.embedded.errors import StackError
from modelyard.embedded.supervisor import ProcessSpec, Supervisor, http_answers

SOURCE = Path(__file__).parents[2] / "platform"
RUNNER = """
import signal, sys
# Ignored signals are inherited: by tests that run in the background, or under nohup.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
from modelyard.embedded.supervisor import ProcessSpec, run, until_signal
sleeper = "import os, time; print('pid', os.getpid(), flush=True); time.sleep(60)"
specs = [
    ProcessSpec(name, (sys.executable, "-c", sleeper), stop_order=order)
    for order, name in enumerate(["worker", "web"])
]
with until_signal():
    run(specs, env={}, on_ready=lambda supervisor: supervisor.console.say("all ready"))
print("stopped in order", flush=True)
"""


def python(name: str, code: str, **more: object) -> ProcessSpec:
    return ProcessSpec(name, (sys.executable, "-c", code), **more)  # type: ignore[arg-type]


def eventually(condition: Callable[[], bool], seconds: float = 10) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if condition():
            return True
        time.sleep(0.05)
    return condition()


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except FileNotFoundError:
        return False


def test_every_line_carries_the_name_of_its_process_and_its_environment() -> None:
    output = io.StringIO()
    code = "import os, time; print(os.environ['A'] + os.environ['B']); time.sleep(60)"
    with Supervisor(
        [python("web", code, env={"B": "own"}), python("worker-cpu", code, env={"A": "other "})],
        env={"A": "shared ", "B": "shared"},
        output=output,
    ):
        assert eventually(lambda: output.getvalue().count("\n") == 2)
    lines = sorted(output.getvalue().splitlines())
    assert lines == ["web        | shared own", "worker-cpu | other shared"]


def test_the_start_waits_until_every_process_is_ready(tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    code = (
        f"import time, pathlib; time.sleep(.5); pathlib.Path({str(flag)!r}).touch(); time.sleep(60)"
    )
    with Supervisor([python("web", code, ready=flag.exists)], env={}, output=io.StringIO()):
        assert flag.exists()


def test_a_process_that_ends_before_it_is_ready_is_reported_with_its_last_lines() -> None:
    good = python("beat", "import time; time.sleep(60)")
    bad = python("web", "raise SystemExit('no such setting')", ready=lambda: False)
    supervisor = Supervisor([good, bad], env={}, output=io.StringIO())
    with pytest.raises(StackError, match="web ended with status 1 before it was ready") as refusal:
        supervisor.start()
    assert refusal.value.code == "not_ready"
    assert "no such setting" in refusal.value.message
    assert supervisor.pids() == {}


def test_a_process_that_is_never_ready_is_given_up() -> None:
    spec = python("web", "import time; time.sleep(60)", ready=lambda: False, ready_timeout=0.3)
    with pytest.raises(StackError, match="web was not ready after 0 s"):
        Supervisor([spec], env={}, output=io.StringIO()).start()


def test_a_process_that_ends_is_started_again_with_back_off() -> None:
    output = io.StringIO()
    code = "import time; print('up'); time.sleep(.1); raise SystemExit(3)"
    with Supervisor([python("beat", code)], env={}, output=output):
        assert eventually(lambda: output.getvalue().count("| up") == 3)
    text = output.getvalue()
    assert "beat ended with status 3; again in 0.5 s." in text
    assert "beat ended with status 3; again in 1 s." in text


def test_processes_stop_in_order_and_a_stubborn_one_is_killed_with_its_children(
    tmp_path: Path,
) -> None:
    said = tmp_path / "said"
    polite = (
        "import pathlib, signal, sys, time\n"
        "def end(*_):\n"
        f"    with open({str(said)!r}, 'a') as file: file.write(sys.argv[1])\n"
        "    sys.exit()\n"
        "signal.signal(signal.SIGTERM, end); print('set'); time.sleep(60)\n"
    )
    stubborn = (
        "import os, signal, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "os.fork(); os.write(1, f'child {os.getpid()}\\n'.encode()); time.sleep(60)\n"
    )
    specs = [
        ProcessSpec(name, (sys.executable, "-c", polite, name), stop_order=order)
        for name, order in (("c", 3), ("a", 1), ("b", 2))
    ]
    specs.append(python("stubborn", stubborn, stop_timeout=0.3))
    output = io.StringIO()
    with Supervisor(specs, env={}, output=output):
        assert eventually(lambda: output.getvalue().count("\n") == 5)
    assert said.read_text() == "abc"
    pids = [int(line.split()[-1]) for line in output.getvalue().splitlines() if "child" in line]
    assert len(pids) == 2
    assert not any(is_running(pid) for pid in pids)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_no_process_outlives_a_runner_that_gets(number: signal.Signals) -> None:
    runner = subprocess.Popen(
        [sys.executable, "-c", RUNNER],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(SOURCE)},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert runner.stdout is not None
    lines = [runner.stdout.readline() for _ in range(3)]
    pids = [int(line.split()[-1]) for line in lines if "| pid" in line]
    assert len(pids) == 2
    assert any("all ready" in line for line in lines)
    runner.send_signal(number)
    rest = runner.communicate(timeout=20)[0]
    assert eventually(lambda: not any(is_running(pid) for pid in pids))
    assert (rest == "stopped in order\n") == (number != signal.SIGKILL)


def test_readiness_over_http_asks_for_a_status() -> None:
    code = "import http.server as h; s = h.HTTPServer(('127.0.0.1', 0), h.SimpleHTTPRequestHandler)"
    code += "; print(s.server_port, flush=True); s.serve_forever()"
    output = io.StringIO()
    with Supervisor([python("web", code)], env={}, output=output):
        assert eventually(lambda: output.getvalue().count("\n") == 1)
        url = f"http://127.0.0.1:{output.getvalue().split()[-1]}"
        assert eventually(http_answers(f"{url}/"))
        assert not http_answers(f"{url}/absent")()
    assert not http_answers(f"{url}/")()
