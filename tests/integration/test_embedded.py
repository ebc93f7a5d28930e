"""The embedded stack: real servers on a state folder of their own."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import psycopg2
import pytest
import redis
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from modelyard.embedded.errors import StackError
from modelyard.embedded.record import running_env
from modelyard.embedded.stack import Stack

SOURCE = Path(__file__).parents[2] / "platform"
EXTERNAL_POSTGRES = dict.fromkeys(("DATABASE_URL", "OWNER_DATABASE_URL", "OPS_DATABASE_URL"), "x")
EXTERNAL_S3 = dict.fromkeys(("S3_ENDPOINT_URL", "S3_ACCESS_KEY", "S3_SECRET_KEY"), "x")
ONLY_VALKEY = EXTERNAL_POSTGRES | EXTERNAL_S3
ONLY_POSTGRES = {"BROKER_URL": "x", "CACHE_URL": "x"} | EXTERNAL_S3
OWNER = """
import json, signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where tests run behind a "&"
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from modelyard.embedded.stack import Stack
with Stack(Path(sys.argv[1]), external={}) as stack:
    pids = [*stack.pids().values(), stack.guard.pid]
    print(json.dumps({"pids": pids, "env": stack.env}), flush=True)
    time.sleep(120)
"""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("embedded") / "var", external={}) as running:
        yield running


@pytest.fixture
def owner(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process of its own that runs a stack on tmp_path / "var"."""
    process = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(tmp_path / "var")],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(SOURCE)},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    yield process
    process.kill()
    process.communicate()


def report(process: subprocess.Popen[str]) -> dict[str, Any]:
    """The pids and environment that an owner prints once its stack is ready."""
    assert process.stdout is not None
    return dict(json.loads(process.stdout.readline()))


def s3(env: dict[str, str]) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=env["S3_ENDPOINT_URL"],
        aws_access_key_id=env["S3_ACCESS_KEY"],
        aws_secret_access_key=env["S3_SECRET_KEY"],
        region_name=env["S3_REGION"],
        config=Config(signature_version="s3v4"),
    )


def query(url: str, *statements: str) -> list[tuple[Any, ...]]:
    connection = psycopg2.connect(url)
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()


def write_everywhere(env: dict[str, str]) -> None:
    query(env["OWNER_DATABASE_URL"], "CREATE TABLE kept (word text)")
    query(env["DATABASE_URL"], "INSERT INTO kept VALUES ('row')")
    redis.Redis.from_url(env["BROKER_URL"]).set("kept", "key")
    s3(env).put_object(Bucket=env["S3_BUCKET"], Key="kept", Body=b"object")


def read_everywhere(env: dict[str, str]) -> tuple[Any, Any, Any]:
    return (
        query(env["DATABASE_URL"], "SELECT word FROM kept")[0][0],
        redis.Redis.from_url(env["BROKER_URL"]).get("kept"),
        s3(env).get_object(Bucket=env["S3_BUCKET"], Key="kept")["Body"].read(),
    )


def reads_back(env: dict[str, str]) -> bool:
    try:
        return read_everywhere(env) == ("row", b"key", b"object")
    except (psycopg2.Error, redis.RedisError, BotoCoreError, ClientError):
        return False


def eventually(condition: Callable[[], bool], seconds: float) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if condition():
            return True
        time.sleep(0.1)
    return condition()


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except FileNotFoundError:
        return False


def test_an_empty_folder_becomes_a_second_ready_stack_whose_data_survives_a_restart(
    stack: Stack, tmp_path: Path
) -> None:
    began = time.monotonic()
    with Stack(tmp_path / "var", external={}) as other:
        assert time.monotonic() - began < 20  # about 1 s on a quiet machine
        assert other.env["DATABASE_URL"] != stack.env["DATABASE_URL"]
        write_everywhere(other.env)
        before = other.env
    (tmp_path / "var" / "ports.json").unlink()  # as if other servers had taken all its ports
    with Stack(tmp_path / "var", external={}) as other:
        assert other.env["S3_ENDPOINT_URL"] != before["S3_ENDPOINT_URL"]
        assert other.env["SECRET_KEY"] == before["SECRET_KEY"]
        assert reads_back(other.env)


def test_ports_are_kept_between_runs(tmp_path: Path) -> None:
    seen = set()
    for _ in range(2):
        with Stack(tmp_path / "var", external=ONLY_VALKEY) as stack:
            assert list(stack.pids()) == ["valkey"]
            assert stack.env["DATABASE_URL"] == "x"
            seen.add(stack.env["BROKER_URL"])
    assert len(seen) == 1


def test_processes_that_pick_ports_at_the_same_time_get_different_ones_and_all_are_kept(
    tmp_path: Path,
) -> None:
    script = (
        "import sys; from pathlib import Path; from modelyard.embedded.ports import PortBook\n"
        "book = PortBook(Path(sys.argv[1]))\n"
        "for number in range(20): book.port(f'{sys.argv[2]}-{number}')"
    )
    path = tmp_path / "ports.json"
    pickers = [
        subprocess.Popen([sys.executable, "-c", script, str(path), str(number)])
        for number in range(6)
    ]
    assert [picker.wait(timeout=60) for picker in pickers] == [0] * 6
    book = json.loads(path.read_text())
    assert len(book) == len(set(book.values())) == 120


def test_an_external_server_without_its_companions_is_refused_with_a_sentence(
    tmp_path: Path,
) -> None:
    with pytest.raises(StackError, match="Set CACHE_URL too, or unset BROKER_URL") as refusal:
        Stack(tmp_path / "var", external={"BROKER_URL": "redis://127.0.0.1:1/0"}).start()
    assert refusal.value.code == "external_incomplete"


def test_servers_that_are_killed_come_back_with_their_data(
    stack: Stack, caplog: pytest.LogCaptureFixture
) -> None:
    write_everywhere(stack.env)
    time.sleep(1.1)  # Valkey writes its file once a second
    before = stack.pids()
    for pid in before.values():
        os.kill(pid, signal.SIGKILL)
    assert eventually(lambda: not set(stack.pids().values()) & set(before.values()), 5)
    assert eventually(lambda: reads_back(stack.env), 20)
    assert "postgres ended with status -9; again in 0.5 s." in caplog.messages


def test_a_wrong_password_is_refused_by_every_server(stack: Stack) -> None:
    wrong = dict(stack.env)
    for name in ("DATABASE_URL", "BROKER_URL"):
        head, _, tail = wrong[name].rpartition("@")
        wrong[name] = f"{head}x@{tail}"
    wrong["S3_SECRET_KEY"] += "x"
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        query(wrong["DATABASE_URL"], "SELECT 1")
    with pytest.raises(redis.AuthenticationError):
        redis.Redis.from_url(wrong["BROKER_URL"]).ping()
    with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
        s3(wrong).list_objects_v2(Bucket=wrong["S3_BUCKET"])


def test_lost_secrets_are_reported_with_a_sentence(tmp_path: Path) -> None:
    with Stack(tmp_path / "var", external=ONLY_POSTGRES):
        pass
    (tmp_path / "var" / "secrets.json").unlink()
    with pytest.raises(StackError, match="Restore that file") as refusal:
        Stack(tmp_path / "var", external=ONLY_POSTGRES).start()
    assert refusal.value.code == "password_refused"
    assert running_env(tmp_path / "var") is None


def test_killing_the_owner_leaves_no_process_and_no_locked_folder(
    owner: subprocess.Popen[str], tmp_path: Path
) -> None:
    told = report(owner)
    assert all(is_running(pid) for pid in told["pids"])
    write_everywhere(told["env"])
    owner.kill()
    owner.wait()
    with Stack(tmp_path / "var", external={}) as stack:  # waits for the watchdog
        assert not any(is_running(pid) for pid in told["pids"])
        assert reads_back(stack.env)


def test_an_interrupted_owner_stops_everything_in_order(
    owner: subprocess.Popen[str], tmp_path: Path
) -> None:
    told = report(owner)
    assert running_env(tmp_path / "var") == told["env"]
    os.kill(owner.pid, signal.SIGINT)
    owner.wait(20)
    assert not any(is_running(pid) for pid in told["pids"])
    assert "database system is shut down" in (tmp_path / "var/log/postgres.log").read_text()
    assert running_env(tmp_path / "var") is None


def test_a_watchdog_that_was_killed_is_replaced_and_still_cleans_up(
    owner: subprocess.Popen[str],
) -> None:
    told = report(owner)
    servers, watchdog = told["pids"][:-1], told["pids"][-1]
    os.kill(watchdog, signal.SIGKILL)
    time.sleep(1)
    owner.kill()
    owner.wait()
    assert eventually(lambda: not any(is_running(pid) for pid in servers), 15)


def test_a_second_stack_on_the_same_folder_is_refused_with_a_sentence(stack: Stack) -> None:
    with pytest.raises(StackError, match=r"A stack already runs .*Stop that") as again:
        Stack(stack.folder.root, external={}).start()
    assert again.value.code == "already_running"


def test_a_running_stack_can_be_used_and_is_left_running(stack: Stack) -> None:
    with Stack(stack.folder.root, external={}, reuse=True) as guest:
        assert guest.env == stack.env
        assert guest.create_database("by_guest")["DATABASE_URL"].endswith("/by_guest")
    assert redis.Redis.from_url(stack.env["BROKER_URL"]).ping()


def test_secrets_are_readable_by_their_owner_only(stack: Stack) -> None:
    for name in ("secrets.json", "stack.json", "stack.lock"):
        assert (stack.folder.root / name).stat().st_mode & 0o077 == 0
    for name in ("postgres", "valkey", "seaweed"):
        assert stack.folder.data(name).stat().st_mode & 0o077 == 0
    words = set(json.loads((stack.folder.root / "secrets.json").read_text()).values())
    for pid in stack.pids().values():
        command = Path(f"/proc/{pid}/cmdline").read_text()
        assert not any(word in command for word in words)


def test_the_filer_refuses_a_request_without_a_key(stack: Stack) -> None:
    ports = json.loads((stack.folder.root / "ports.json").read_text())
    filer = f"http://127.0.0.1:{ports['seaweed_filer']}/buckets/{stack.env['S3_BUCKET']}/x"
    for method in ("GET", "PUT"):
        with pytest.raises(urllib.error.HTTPError) as refusal:
            urllib.request.urlopen(urllib.request.Request(filer, data=b"x", method=method))
        assert refusal.value.code == 401


def test_pages_of_another_origin_may_upload_and_read_the_etag(stack: Stack) -> None:
    url = s3(stack.env).generate_presigned_url(
        "put_object", Params={"Bucket": stack.env["S3_BUCKET"], "Key": "from-a-page"}
    )
    origin = {"Origin": "http://localhost:8000"}
    put = urllib.request.Request(url, data=b"part", method="PUT", headers=origin)
    with urllib.request.urlopen(put) as answer:
        assert "etag" in answer.headers["Access-Control-Expose-Headers"].lower()
        assert answer.headers["ETag"]
    asked = {**origin, "Access-Control-Request-Method": "PUT"}
    preflight = urllib.request.Request(url, method="OPTIONS", headers=asked)
    with urllib.request.urlopen(preflight) as answer:
        assert "PUT" in answer.headers["Access-Control-Allow-Methods"]


def test_the_web_login_cannot_become_ops_and_the_ops_login_can(stack: Stack) -> None:
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        query(stack.env["DATABASE_URL"], "SET ROLE modelyard_ops")
    rows = query(
        stack.env["OPS_DATABASE_URL"],
        "SET ROLE modelyard_ops",
        "SELECT rolbypassrls FROM pg_roles WHERE rolname = current_user",
    )
    assert rows == [(True,)]


def test_the_web_login_works_with_rows_but_makes_no_tables(stack: Stack) -> None:
    env = stack.create_database("rights")
    assert stack.create_database("rights") == env
    query(env["OWNER_DATABASE_URL"], "CREATE TABLE t (id serial PRIMARY KEY, n int)")
    query(env["DATABASE_URL"], "INSERT INTO t (n) VALUES (1)", "UPDATE t SET n = 2")
    assert query(env["OPS_DATABASE_URL"], "SELECT n FROM t") == [(2,)]
    for statement in ("CREATE TABLE mine (n int)", "ALTER TABLE t ADD m int", "TRUNCATE t"):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            query(env["DATABASE_URL"], statement)


def test_the_test_login_makes_databases_and_is_no_superuser(stack: Stack) -> None:
    url = stack.env["TEST_DATABASE_URL"]
    query(url, "CREATE DATABASE made_by_test")
    rights = "SELECT rolsuper, rolbypassrls, rolcreatedb FROM pg_roles WHERE rolname = current_user"
    assert query(url, rights) == [(False, False, True)]
    made = url.rpartition("/")[0] + "/made_by_test"
    query(made, "CREATE EXTENSION citext", "CREATE TABLE t (n int)", "INSERT INTO t VALUES (1)")
    assert query(made, "SET ROLE modelyard_ops", "SELECT n FROM t") == [(1,)]


def test_a_database_name_that_is_none_is_refused_with_a_sentence(stack: Stack) -> None:
    with pytest.raises(StackError, match="is no database name"):
        stack.create_database("x'; DROP DATABASE modelyard; --")


def test_the_stack_runs_below_a_folder_that_only_its_user_can_enter(tmp_path: Path) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    with Stack(private / "var", external={}) as stack:
        assert query(stack.env["DATABASE_URL"], "SELECT 1") == [(1,)]


def test_databases_are_made_at_the_same_time_without_a_clash(stack: Stack) -> None:
    names = [f"at_once_{number}" for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(stack.create_database, names))
    for env in made:
        assert query(env["DATABASE_URL"], "SELECT 1") == [(1,)]
