"""Factories of the console's tests: its own process on the test database, operators, runs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import httpx2
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal import auth as totp
from allauth.mfa.utils import decrypt
from django.conf import settings
from django.contrib.auth.hashers import MD5PasswordHasher
from django.contrib.auth.models import Group
from django.db import connection
from django.utils.text import slugify

from modelyard.core import clock, ids
from modelyard.embedded.ports import PortBook
from modelyard.launch.site import Place, manage
from tenants.models import Tenant, User
from tenants.scoping.context import tenant_scope
from tests import stack
from tests.factories import make_user
from training.datasets.models import Dataset, DatasetVersion
from training.jobs import recipes
from training.jobs.models import Run, RunEvent

PASSWORD = "the operators' own password"
_TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')


def make_staff(role: str = "ops", *, enrolled: bool = True) -> User:
    """Make an operator, with a role and an app for codes."""
    user = make_user()
    user.is_staff = True
    user.is_superuser = role == "superuser"
    user.password = MD5PasswordHasher().encode(PASSWORD, "saltsaltsalt")
    user.save()
    if role not in {"superuser", ""}:
        user.groups.set([Group.objects.get_or_create(name=role)[0]])
    if enrolled:
        enrol(user)
    return user


def enrol(user: User) -> str:
    """Add an authenticator app as the product's page does; return its secret."""
    secret = totp.generate_totp_secret()
    totp.TOTP.activate(user, secret)
    return secret


def enrol_on(place: Place, email: str) -> str:
    """Add an authenticator app for somebody of a running site; return its secret."""
    secret = totp.generate_totp_secret()
    manage(
        place,
        *("shell", "-c"),
        "from allauth.mfa.totp.internal.auth import TOTP; from tenants.models import User; "
        f"TOTP.activate(User.objects.get(email={email!r}), {secret!r})",
    )
    return secret


def code_of(user: User, *, steps: int = 0) -> str:
    """Return what the person's authenticator app shows now, or `steps` half minutes later."""
    row = Authenticator.objects.get(user=user, type=Authenticator.Type.TOTP)
    return code_for(decrypt(row.data["secret"]), steps=steps)


def code_for(secret: str, *, steps: int = 0) -> str:
    """Return the code of a secret (RFC 6238, 30 s); never one about to end."""
    left = 30 - time.time() % 30
    if left < 3 and not steps:
        time.sleep(left + 0.1)
    return totp.format_hotp_value(totp.hotp_value(secret, int(time.time()) // 30 + steps))


def make_run(tenant: Tenant, status: str = "failed", **fields: object) -> Run:
    """Make a run in a state that needs no model version, with two lines in its log."""
    with tenant_scope(tenant.pk):
        dataset = Dataset.objects.create(name=f"data {Dataset.objects.count()}")
        version = DatasetVersion.objects.create(
            dataset=dataset, number=1, status="frozen", moved_at=clock.now(), shares={}
        )
        run: Run = Run.objects.create(
            number=Run.objects.count() + 1,
            actor_kind="user",
            actor_id=str(ids.new()),
            dataset_version=version,
            model_name=f"{slugify(tenant.name)}-intent",
            spec=recipes.spec_build(recipes.DEFAULT_PRESET, {}).to_json(),
            status=status,
            queued_at=clock.now(),
            finished_at=clock.now() if status == "failed" else None,
            attempt=3,
            starts=3,
            last_seq=2,
            **fields,
        )
        for seq, kind in ((1, "starting"), (2, status)):
            RunEvent.objects.create(
                run=run, seq=seq, attempt=3, kind=kind, payload={"message": f"line {seq} <b>"}
            )
    return run


def _log() -> Path:
    return stack.STATE / stack.mine("console.log")


def _no_server_error(response: httpx2.Response) -> None:
    """Fail with the end of the console's log."""
    if response.status_code >= 500:
        raise AssertionError(_log().read_text()[-3000:])


@dataclass
class Console:
    """A browser at the console."""

    url: str
    http: httpx2.Client = field(init=False)

    def __post_init__(self) -> None:
        self.http = httpx2.Client(
            base_url=self.url,
            follow_redirects=True,
            timeout=30,
            event_hooks={"response": [_no_server_error]},
        )

    def get(self, path: str) -> httpx2.Response:
        """Open a page."""
        return self.http.get(path)

    def post(self, path: str, page: str, **data: str) -> httpx2.Response:
        """Send a form that stands on `page`, with its token."""
        found = _TOKEN.search(self.get(page).text)
        token = found.group(1) if found else ""
        return self.http.post(path, data={"csrfmiddlewaretoken": token, **data})

    def password(self, user: User, password: str = PASSWORD, *, to: str = "/") -> httpx2.Response:
        """Take the first step; the answer is the page one lands on."""
        return self.post("/login/", "/login/", username=user.email, password=password, next=to)

    def code(self, code: str) -> httpx2.Response:
        """Take the second step."""
        return self.post("/login/code/", "/login/code/", code=code)

    def sign_out(self) -> None:
        """Sign out."""
        self.post("/logout/", "/")

    def sign_in(self, user: User, password: str = PASSWORD, *, to: str = "/") -> httpx2.Response:
        """Sign in by password and code; the answer is the page one lands on."""
        page = self.password(user, password, to=to)
        return self.code(code_of(user)) if 'name="code"' in page.text else page


@contextmanager
def running_console() -> Iterator[str]:
    """Run the console as `modelyard up` does, with the ops login, on the test database."""
    login = urlsplit(os.environ["OPS_DATABASE_URL"])
    database = urlunsplit(login._replace(path=f"/{connection.settings_dict['NAME']}"))
    port = PortBook(stack.STATE / "ports.json").port(stack.mine("ops-test"))
    url = f"http://localhost:{port}"
    env = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.console_settings",
        "DATABASE_URL": database,
        "OPS_URL": url,
        "SECRET_KEY": settings.SECRET_KEY,
    }
    log = _log()
    command = [sys.executable, "-m", "uvicorn", "modelyard.ops.asgi:application"]
    with log.open("w") as output:
        process = subprocess.Popen(
            [*command, "--port", str(port), "--log-level", "warning"],
            env=env,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait(url, process, log)
        yield url
    finally:
        process.terminate()
        process.wait(20)


@contextmanager
def running_worker(name: str) -> Iterator[None]:
    """Run a Celery worker that has nothing to do."""
    mark = stack.STATE / stack.mine("worker.ready")
    mark.unlink(missing_ok=True)
    env = {**os.environ, "MODELYARD_READY_FILE": str(mark)}
    command = [sys.executable, "-m", "celery", "-A", "modelyard", "worker", "-n", name]
    process = subprocess.Popen([*command, "-P", "threads", "-c", "1", "-Q", "nothing"], env=env)
    try:
        end = time.monotonic() + 60
        while not mark.exists():
            assert process.poll() is None
            assert time.monotonic() < end, "the worker did not start"
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait(20)


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 180  # seconds of a machine that may be very busy
    while time.monotonic() < end:
        if process.poll() is not None:
            break
        try:
            if httpx2.get(f"{url}/livez").status_code == 200:
                return
        except httpx2.TransportError:
            time.sleep(0.1)
    raise AssertionError(f"the console did not start:\n{log.read_text()[-3000:]}")
