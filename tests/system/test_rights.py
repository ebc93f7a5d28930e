"""Export and deletion on the running site: every process with its own login, one of them killed."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import boto3
import httpx2
import psycopg2
import pytest
import redis

from tests.site import Account, RunningSite
from tests.system.customer import new_customer

pytestmark = pytest.mark.system
ROWS = 40_000
WALK = """
select c.relname, a.attname from pg_class c join pg_attribute a on a.attrelid = c.oid
where c.relkind = 'r' and c.relnamespace = 'public'::regnamespace and a.attname = 'tenant_id'
"""


def until(what: Callable[[], Any], seconds: float = 90) -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := what():
            return found
        time.sleep(0.02)
    raise TimeoutError("it did not come to that")


class Inside:
    """The database as its owner, or across tenants as the operators' role."""

    def __init__(self, site: RunningSite) -> None:
        env = site.place.env
        self.owner = psycopg2.connect(env["OWNER_DATABASE_URL"])
        self.ops = psycopg2.connect(env["OPS_DATABASE_URL"])
        for conn in (self.owner, self.ops):
            conn.autocommit = True
        self.ask(self.ops, "set role modelyard_ops")

    def ask(self, conn: Any, sql: str, *values: object) -> list[tuple[Any, ...]]:
        with conn.cursor() as cursor:
            cursor.execute(sql, values)
            return list(cursor.fetchall()) if cursor.description else []

    def deletion(self, tenant_id: str) -> tuple[str, str]:
        sql = "select status, phase from rights_deletion where subject_id = %s"
        rows = self.ask(self.ops, sql, tenant_id)
        return rows[0] if rows else ("", "")

    def rows_of(self, tenant_id: str) -> dict[str, int]:
        return {
            table: self.ask(
                self.ops, f'select count(*) from "{table}" where "{owner}" = %s', tenant_id
            )[0][0]
            for table, owner in self.ask(self.ops, WALK)
        }

    def fill(self, tenant_id: str, rows: int) -> None:
        """Add rows enough that the deletion takes a while."""
        with self.owner.cursor() as cursor:
            cursor.execute("begin")
            cursor.execute("select set_config('app.tenant_id', %s, true)", [tenant_id])
            cursor.execute(
                "insert into tenants_idempotencyrecord"
                " (id, tenant_id, created_at, key, route, request_hash)"
                " select gen_random_uuid(), %s, now(), 'k' || n, 'r', 'h'"
                " from generate_series(1, %s) n",
                [tenant_id, rows],
            )
            cursor.execute("commit")


def press(account: Account, path: str, **fields: str) -> httpx2.Response:
    page = account.http.get(f"/t/{account.slug}/settings/data/")
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
    assert token is not None
    data = {**fields, "csrfmiddlewaretoken": token.group(1)}
    return account.http.post(
        f"/t/{account.slug}/settings/data/{path}", data=data, headers={"Referer": str(page.url)}
    )


def exported(account: Account) -> zipfile.ZipFile:
    assert press(account, "exports").status_code == 200
    base = f"/t/{account.slug}/api/v1/exports"

    def ready() -> Any:
        row = account.http.get(base).json()["data"][0]
        assert row["status"] in {"queued", "running", "ready"}, row
        return row if row["status"] == "ready" else None

    row = until(ready)
    link = account.http.get(f"{base}/{row['id']}/link").json()["url"]
    file = zipfile.ZipFile(io.BytesIO(httpx2.get(link).content))
    manifest = json.loads(file.read("manifest.json"))
    for table, count in manifest["tables"].items():
        assert len(file.read(f"tables/{table}.jsonl").splitlines()) == count
    assert manifest["tables"] == row["tables"]
    return file


def objects_of(site: RunningSite, tenant_id: str) -> list[Any]:
    env = site.place.env
    client = boto3.client(
        "s3", endpoint_url=env["S3_ENDPOINT_URL"], aws_access_key_id=env["S3_ACCESS_KEY"],
        aws_secret_access_key=env["S3_SECRET_KEY"], region_name=env["S3_REGION"],
    )  # fmt: skip
    found = client.list_object_versions(Bucket=env["S3_BUCKET"], Prefix=f"tenants/{tenant_id}/")
    return [*found.get("Versions", []), *found.get("DeleteMarkers", [])]


def keys_of(site: RunningSite, tenant_id: str) -> list[str]:
    urls = {site.place.env[name] for name in ("BROKER_URL", "CACHE_URL")}
    return [
        key
        for url in urls
        for key in redis.Redis.from_url(url).scan_iter(match=f"t:{tenant_id}:*", count=1000)
    ]


def certificate_in(mail: Path, address: str) -> bytes | None:
    for path in mail.glob("*"):
        message = message_from_bytes(path.read_bytes(), policy=policy.default)
        for part in message.iter_attachments():
            if address in str(message["To"]) and "certificate" in str(part.get_filename()):
                content: bytes = part.get_payload(decode=True)
                return content
    return None


def test_a_workspace_is_exported_and_deleted_though_the_scheduler_is_killed_amid_it(
    site: RunningSite, tmp_path: Path
) -> None:
    customer = new_customer(site, tmp_path, email="leaver@corp.test")
    tenant_id = str(customer.api.get("workspace")["id"])
    inside = Inside(site)
    with exported(customer.account) as file:
        assert len(file.read("tables/datasets_example.jsonl").splitlines()) == 200
        assert any(name.endswith("/rows.parquet") for name in file.namelist())
    assert objects_of(site, tenant_id)
    inside.fill(tenant_id, ROWS)
    name = customer.api.get("workspace")["name"]
    assert press(customer.account, "delete", name=name).status_code == 200
    assert inside.deletion(tenant_id)[0] == "scheduled"
    today = "update rights_deletion set due_at = now() where subject_id = %s"
    inside.ask(inside.owner, today, tenant_id)
    until(lambda: inside.deletion(tenant_id)[1] == "rows")
    os.kill(site.pid("beat"), signal.SIGKILL)
    assert inside.deletion(tenant_id)[0] == "running", "it was killed amid the rows"
    until(lambda: inside.deletion(tenant_id)[0] == "done")
    assert set(inside.rows_of(tenant_id).values()) == {0}
    assert objects_of(site, tenant_id) == []
    assert keys_of(site, tenant_id) == []
    answer = httpx2.get(
        f"{site.url}/api/v1/workspace", headers={"Authorization": f"Bearer {customer.key}"}
    )
    assert answer.status_code == 401
    mail = site.place.state / "mail"
    certificate = tmp_path / "certificate.json"
    certificate.write_bytes(until(lambda: certificate_in(mail, "leaver@corp.test"), 30))
    facts = json.loads(certificate.read_text())["facts"]
    assert facts["rows"]["tenants_idempotencyrecord"] >= ROWS
    assert facts["rows"]["datasets_example"] == 200
    key = tmp_path / "key.pem"
    key.write_bytes(httpx2.get(f"{site.url}/certificates/key.pem").content)
    command = [sys.executable, "-m", "modelyard", "certificate", "verify", str(certificate)]
    done = subprocess.run(
        [*command, "--key", str(key)],
        env={**os.environ, "DATABASE_URL": "postgres://nobody@localhost:1/none"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert f"tenant {tenant_id} was deleted" in done.stdout
