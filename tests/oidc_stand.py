"""The tests' sign-in provider as a process (tests/fakes/oidc_provider.py), and its setting."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from modelyard.embedded.supervisor import http_answers
from tests.e2e.browser import ROOT
from tests.fakes.oidc_provider import CLIENT_ID, CLIENT_SECRET

PROGRAM = ROOT / "tests" / "fakes" / "oidc_provider.py"
NAME = "Larkspur sign-in"


def setting(port: int, *, trust_email: bool = True) -> str:
    """Return the value of OIDC_PROVIDERS that names the provider at `port`."""
    known = {
        "id": "larkspur",
        "name": NAME,
        "server_url": f"http://127.0.0.1:{port}",
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "trust_email": trust_email,
    }
    return json.dumps([known])


@contextmanager
def provider(setting_text: str, *, site_url: str, email: str) -> Iterator[str]:
    """Run the provider of a setting, with one person of that address; yield its address."""
    url: str = json.loads(setting_text)[0]["server_url"]
    back = f"{site_url}/accounts/oidc/larkspur/login/callback/"
    command = [sys.executable, str(PROGRAM), url.rpartition(":")[2], back, email]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
    try:
        ready = http_answers(f"{url}/.well-known/openid-configuration")
        deadline = time.monotonic() + 30
        while not ready():
            assert process.poll() is None, "the provider did not start"
            assert time.monotonic() < deadline, "the provider does not answer"
            time.sleep(0.1)
        yield url
    finally:
        process.kill()
        process.wait()
