"""`modelyard doctor` on a database of its own: all well, then each planted fault by its name."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from django.test import override_settings

from modelyard.core import storage
from modelyard.doctor.findings import State
from modelyard.doctor.store import store_checks
from modelyard.embedded import secrets
from modelyard.embedded.stack import Stack
from tests.site import stack
from tests.stack import mine, valkey_urls

Env = dict[str, str]
SITE = "http://localhost:8000"


@pytest.fixture(scope="module")
def base() -> Stack:
    return stack()


@pytest.fixture(scope="module")
def well(base: Stack, tmp_path_factory: pytest.TempPathFactory) -> Env:
    """The variables of a healthy installation without workers."""
    env = {
        **{name: value for name, value in os.environ.items() if name != "WEB_DATABASE_URL"},
        **base.env,
        **base.create_database(f"modelyard_{mine('doctor')}"),
        "DJANGO_SETTINGS_MODULE": "modelyard.settings.dev",
        "MODELYARD_STATE": str(tmp_path_factory.mktemp("doctor")),
        "SITE_URL": SITE,
        "S3_BUCKET": mine("doctor"),
    }
    done = modelyard({**env, "DATABASE_URL": env["OWNER_DATABASE_URL"]}, "migrate", "--no-input")
    assert done.returncode == 0, done.stderr
    done = modelyard(env, "bucket")
    assert done.returncode == 0, done.stderr
    return env


def modelyard(env: Env, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "modelyard", *arguments]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


def doctor(env: Env, *options: str, exits: int) -> dict[str, Any]:
    """Run it; return check code -> finding."""
    done = modelyard(env, "doctor", "--json", "--no-workers", *options)
    assert done.returncode == exits, done.stdout + done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    document = json.loads(done.stdout)
    assert document["ok"] is (exits == 0)
    return {row["code"]: row for row in document["checks"]}


def faults(findings: dict[str, Any]) -> set[str]:
    wrong = {code for code, row in findings.items() if row["state"] == "wrong"}
    assert all(findings[code]["says"] and findings[code]["do"] for code in wrong)
    return wrong


def as_owner(env: Env, sql: str) -> None:
    connection = psycopg2.connect(env["OWNER_DATABASE_URL"])
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(sql)
    finally:
        connection.close()


def test_a_healthy_installation_passes_every_check(well: Env) -> None:
    findings = doctor(well, exits=0)
    left_out = {code for code, row in findings.items() if row["state"] == "passed over"}
    assert left_out == {"workers_on_queues", "model_servers"}
    assert len(findings) >= 20


def test_the_page_for_people_says_what_to_do_and_the_status_is_1(well: Env) -> None:
    done = modelyard({**well, "SECRET_KEY": "short"}, "doctor", "--no-workers")
    assert done.returncode == 1
    assert re.search(r"^WRONG secrets_set +SECRET_KEY: not set", done.stdout, re.MULTILINE)
    assert "What to do: Set it to the output of `openssl rand -hex 24`" in done.stdout
    assert re.search(r"1 of \d+ checks found something wrong", done.stderr)


def test_workers_that_should_run_and_do_not_are_named_by_their_queues(well: Env) -> None:
    url = valkey_urls("nobody")["BROKER_URL"]
    done = modelyard({**well, "BROKER_URL": url}, "doctor", "--json")
    findings = {row["code"]: row for row in json.loads(done.stdout)["checks"]}
    assert faults(findings) == {"workers_on_queues", "model_servers"}
    assert "training" in findings["workers_on_queues"]["says"]
    assert "worker-train" in findings["workers_on_queues"]["do"]


def test_a_superuser_as_the_login_is_named(base: Stack, well: Env) -> None:
    word = secrets.load_or_create(base.folder.secrets).postgres_superuser
    url = re.sub(r"//[^@]+@", f"//postgres:{word}@", well["DATABASE_URL"])
    findings = doctor({**well, "DATABASE_URL": url}, exits=1)
    # A superuser may become any role and change any table, so those checks say so as well.
    assert faults(findings) == {"database_login", "database_ops_role", "database_ledgers"}
    assert "postgres is a superuser" in findings["database_login"]["says"]


def test_the_owner_of_the_tables_as_the_login_is_named(well: Env) -> None:
    findings = doctor({**well, "DATABASE_URL": well["OWNER_DATABASE_URL"]}, exits=1)
    assert faults(findings) == {"database_login_owns_nothing", "database_ledgers"}


def test_the_operators_login_is_wrong_for_the_site_and_right_for_the_scheduler(well: Env) -> None:
    env = {**well, "DATABASE_URL": well["OPS_DATABASE_URL"]}
    assert "database_ops_role" in faults(doctor(env, exits=1))
    assert faults(doctor(env, "--ops", exits=0)) == set()


def test_walls_between_tenants_that_are_down_are_named_with_their_tables(well: Env) -> None:
    planted = {
        "alter table datasets_example disable row level security": "datasets_example has it off",
        "alter table jobs_run no force row level security": "jobs_run does not force it",
        "create policy open on registry_model using (true)": "registry_model has another policy",
    }
    repairs = (
        "alter table datasets_example enable row level security",
        "alter table jobs_run force row level security",
        "drop policy if exists open on registry_model",
    )
    try:
        as_owner(well, ";".join(planted))
        findings = doctor(well, exits=1)
    finally:
        as_owner(well, ";".join(repairs))
    assert faults(findings) == {"database_row_security"}
    for says in planted.values():
        assert says in findings["database_row_security"]["says"]


def test_a_schema_behind_the_code_is_named(base: Stack, well: Env) -> None:
    env = {**well, **base.create_database(f"modelyard_doctor_{mine('empty')}")}
    findings = doctor(env, exits=1)
    assert "database_migrated" in faults(findings)
    assert "modelyard migrate" in findings["database_migrated"]["do"]


@pytest.fixture
def bucket(well: Env) -> Iterator[None]:
    """Point this process's storage at the bucket of `well`; its rules are put back."""
    with override_settings(S3_BUCKET=well["S3_BUCKET"]):
        yield
        storage.bucket_ensure(origins=[SITE])


@pytest.mark.usefixtures("bucket")
def test_a_bucket_that_does_not_show_etag_or_knows_another_site_is_named(well: Env) -> None:
    rule = {"AllowedOrigins": [SITE], "AllowedMethods": ["PUT"], "AllowedHeaders": ["*"]}
    storage._call("put_bucket_cors", CORSConfiguration={"CORSRules": [rule]})
    findings = doctor(well, exits=1)
    assert faults(findings) == {"bucket_cors"}
    assert "ETag" in findings["bucket_cors"]["says"]
    storage.bucket_ensure(origins=["https://elsewhere.example"])
    assert "PUT" in store_checks()[1].says
    storage._call("delete_bucket_cors")
    assert [row.state for row in store_checks()] == [State.OK, State.WRONG]


@pytest.mark.parametrize(
    ("name", "value"), [("S3_SECRET_KEY", "wrong"), ("S3_BUCKET", "no-such-bucket")]
)
def test_an_object_store_that_refuses_is_named_with_its_variable(
    well: Env, name: str, value: str
) -> None:
    findings = doctor({**well, name: value}, exits=1)
    assert faults(findings) == {"store_writable"}
    assert name in findings["store_writable"]["do"]


def test_a_broker_that_does_not_answer_is_named_and_the_rest_is_looked_at(well: Env) -> None:
    findings = doctor({**well, "BROKER_URL": "redis://127.0.0.1:9/0"}, exits=1)
    assert faults(findings) == {"broker_reachable"}
    assert findings["broker_keeps_keys"]["state"] == "passed over"
    assert findings["store_writable"]["state"] == "ok"


def test_servers_that_do_not_answer_are_all_named_and_no_secret_is_shown(well: Env) -> None:
    gone = {
        "DATABASE_URL": "postgres://web:very-secret@127.0.0.1:9/modelyard",
        "BROKER_URL": "redis://:very-secret@127.0.0.1:9/0",
        "CACHE_URL": "redis://:very-secret@127.0.0.1:9/1",
        "S3_ENDPOINT_URL": "http://127.0.0.1:9",
    }
    findings = doctor({**well, **gone}, exits=1)
    reached = {"broker_reachable", "cache_reachable", "serving_reachable"}
    assert faults(findings) == {"database_reachable", "store_writable", *reached}
    assert "very-secret" not in json.dumps(findings)


def test_all_wrong_variables_of_a_host_are_named_in_one_go(well: Env) -> None:
    planted = {
        "secrets_set": {"API_KEY_PEPPER": ""},
        "site_address": {"ALLOWED_HOSTS": "example.com"},
        "mail_ready": {"MAIL_DIR": "/proc/mail"},
        "base_models": {"ENGINE_BASES_DIR": "/proc/nowhere"},
        "disk_space": {"RUN_WORK_DIR": "/proc/runs"},
    }
    findings = doctor(
        {**well, **{k: v for row in planted.values() for k, v in row.items()}}, exits=1
    )
    assert faults(findings) == set(planted)
    for code, variables in planted.items():
        row = findings[code]
        assert all(name in row["do"] + row["says"] for name in variables), row


def test_a_mail_server_that_does_not_answer_is_named(well: Env) -> None:
    backend = "django.core.mail.backends.smtp.EmailBackend"
    mail = {"EMAIL_BACKEND": backend, "EMAIL_HOST": "127.0.0.1", "EMAIL_PORT": "9"}
    findings = doctor({**well, **mail}, exits=1)
    assert faults(findings) == {"mail_ready"}
    assert "127.0.0.1:9" in findings["mail_ready"]["says"]


def test_a_base_model_that_is_not_whole_is_named(well: Env, tmp_path: Path) -> None:
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / "config.json").write_text("{}")
    findings = doctor({**well, "ENGINE_BASES_DIR": str(tmp_path)}, exits=1)
    assert faults(findings) == {"base_models"}
    assert "model.safetensors" in findings["base_models"]["says"]
