"""Log lines carry no secrets, whichever way they came in, and say whose they are."""

from __future__ import annotations

import json
import time
from pathlib import Path
from subprocess import run
from sys import executable

import pytest

from modelyard.core.observe import clean, redact

KEY = "mdy_AbCd1234_" + "x" * 27 + "0Ab9Zz"
SESSION = "k3j9x0a8b7c6d5e4f3g2h1i0j9k8l7m6"
CSRF = "Zk3J9x0A8b7C6d5E4f3G2h1I0j9K8l7MZk3J9x0A8b7C6d5E4f3G2h1I0j9K8l7M"
INVITE = "q_7Bz-0Yv3kQpX1nT9sLwR5uJ8hGfD2cVbNmA6eK4oI"


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        (f"used {KEY} today", KEY),
        (f"Authorization: Bearer {KEY}", KEY),
        ("Authorization: Basic dXNlcjpwYXNzd29yZA==", "dXNlcjpwYXNzd29yZA"),
        (f"Cookie: session={SESSION}; csrf={CSRF}", SESSION),
        (f"__Host-ops-session={SESSION}", SESSION),
        (f"{{'session': '{SESSION}'}}", SESSION),
        (f"no such session {SESSION} found", SESSION),
        (f"token {CSRF}", CSRF),
        (f"Not Found: /invitations/{INVITE}", INVITE),
        (f"GET /invitations/{INVITE}/ 404", INVITE),
        ("POST /x?password=hunter2&y=1", "hunter2"),
        ('{"password": "correct horse, battery"}', "battery"),
        ("{'new_password1': 'it\\'s secret'}", "secret'"),
        ("api_key=abcdef", "abcdef"),
        ("GET /cb?code=s3cr3t&state=xyz", "s3cr3t"),
        ("https://s3/x?X-Amz-Signature=0123abcd&a=1", "0123abcd"),
        ("X-Amz-Credential=AKIA/2026", "AKIA"),
        ("login code: 482913", "482913"),
        ("{'code': '482913'}", "482913"),
        ("otp=482913", "482913"),
        ("recovery_codes: a1b2c3d4", "a1b2c3d4"),
        ("Stripe-Signature: t=1,v1=5257a869", "5257a869,"),
        ("whsec_abcdef123", "whsec_abcdef"),
        ("sk_live_abcdef123", "abcdef123"),
        ("postgres password=pg-word host=db", "pg-word"),
    ],
)
def test_a_secret_in_a_text_is_removed(text: str, secret: str) -> None:
    assert secret not in clean(text)
    assert "[redacted]" in clean(text)


@pytest.mark.parametrize(
    "text",
    [
        "req_0197a1b2c3d47000800000000000000a",
        "0197a1b2-c3d4-7000-8000-00000000000b",
        "0" * 63 + "f",
        "tenants/0197a1b2-0000-7000-8000-000000000001/models/config.json",
        "code: rate_limited",
        "{'code': 'not_found', 'status': 404}",
        'File "/usr/lib/python3.11/site-packages/django/core/handlers/exception.py", line 55',
        "test_a_cancelled_run_never_registers_a_model2",
        "runs.execute[0b1c2d3e-0000-4000-8000-000000000001] succeeded in 0.123456789s",
    ],
)
def test_ids_hashes_and_codes_of_refusals_stay_readable(text: str) -> None:
    assert clean(text) == text


def test_nested_values_names_and_things_with_a_repr_are_cleaned() -> None:
    class Thing:
        def __repr__(self) -> str:
            return f"<Thing {KEY}>"

    event = redact(
        None,
        "info",
        {
            "event": "x",
            "request": {"headers": [{"Authorization": "Bearer abc"}], "body": {"password": "p"}},
            "things": (Thing(), KEY.encode()),
            "tokens": 12,
            "otp": "1",
            "code": "482913",
            "error_code": "no_rows",
        },
    )
    text = repr(event)
    assert KEY not in text
    assert "abc" not in text
    assert "482913" not in text
    assert event["request"]["body"] == {"password": "[redacted]"}
    assert (event["tokens"], event["otp"], event["error_code"]) == (12, "[redacted]", "no_rows")


def cpu_seconds(text: str) -> float:
    """Return the least processor time of three cleanings."""
    found = []
    for _round in range(3):
        began = time.process_time()
        clean(text)
        found.append(time.process_time() - began)
    return min(found)


def test_the_cost_of_cleaning_a_hostile_text_grows_with_its_length_and_no_faster() -> None:
    for unit in ("a.", "a-", "a=", "password", "?code=", "'\\", "/a1G", "session: "):
        # Four times the text: 4 where the cost is linear, 16 where it is quadratic.
        assert cpu_seconds(unit * 40_000) < 9 * cpu_seconds(unit * 10_000), unit


PROGRAM = f"""
import logging, structlog
from modelyard.core import observe
observe.configure(level="INFO", style="json")
with structlog.contextvars.bound_contextvars(request_id="req_1", tenant_id="t1", run_id="r1"):
    try:
        raise ValueError("refused {KEY}")
    except ValueError:
        structlog.get_logger("ours").exception("failed", session="{SESSION}")
        logging.getLogger("theirs").exception("broken for %s", "{KEY}")
    logging.getLogger("theirs").warning("cookie session=%s", "{SESSION}", stack_info=True)
"""


def test_both_kinds_of_loggers_write_clean_lines_that_name_request_tenant_and_run() -> None:
    root = Path(__file__).resolve().parents[2]
    done = run(
        [executable, "-c", PROGRAM],
        env={"PYTHONPATH": f"{root / 'platform'}:{root}"},
        capture_output=True,
        text=True,
        check=True,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(lines) == 3
    for line in lines:
        assert (line["request_id"], line["tenant_id"], line["run_id"]) == ("req_1", "t1", "r1")
    assert "ValueError: refused [redacted]" in lines[0]["exception"]
    assert "ValueError: refused [redacted]" in lines[1]["exception"]
    assert KEY not in done.stdout + done.stderr
    assert SESSION not in done.stdout + done.stderr
