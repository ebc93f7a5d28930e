"""Logs: one JSON object a line, with request, tenant and run ids bound by whoever knows them."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any

import structlog

REDACTED = "[redacted]"
# What looks like a secret wherever it stands. Hexadecimal words (ids, hashes) stay readable.
_SECRETS = re.compile(
    r"mdy_[0-9A-Za-z]{8}_[0-9A-Za-z]{33}"
    r"|\b[sr]k_(?:live|test)_\w+|\bwhsec_\w+"
    # Session and CSRF values, reset and invitation tokens: long words of letters and digits.
    r"|(?<![\w/.-])(?=[A-Za-z0-9]*[g-zG-Z])(?=[A-Za-z0-9]*\d)[A-Za-z0-9]{32,}(?![\w.-])"
    r"|(?<![\w-])(?=[\w-]*[a-z])(?=[\w-]*[A-Z])(?=[\w-]*\d)[\w-]{40,}(?![\w-])"
    r"|(?<=/)(?=[\w-]*[g-zG-Z])(?=[\w-]*\d)[A-Za-z0-9_-]{32,}(?=/|\s|$|[?\"'])"
)
_NAME = (
    r"[\w.-]{0,40}(?:passw(?:or)?d|secret|token|authorization|cookie|credential|signature|pepper"
    r"|api_?key|session(?:_?id|_?key)?|csrf\w*|otp|totp|recovery_codes?)[\w-]{0,40}"
)
_NAMES = re.compile(rf"{_NAME}", re.IGNORECASE)
_QUOTED = r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\""
# `name=value`, `"name": "value"`, `Name: scheme value`; the value may be quoted.
_PAIRS = re.compile(
    rf"(\b{_NAME}['\"]?\s*[:=]\s*)({_QUOTED}|(?:(?:bearer|basic)\s+)?[^\s,;&'\"}}\])>]+)",
    re.IGNORECASE,
)
_SCHEMES = re.compile(r"\b(Bearer|Basic)\s+[\w.~+/=-]{8,}", re.IGNORECASE)
# In an address: whatever signs or opens something. `code` is also a word of our own answers.
_QUERY = re.compile(r"([?&](?:code|key|state|sig|sign|auth|next_token)=)[^&\s'\"#]+", re.IGNORECASE)
_CODES = re.compile(r"(\b\w*code['\"]?\s*[:=]\s*['\"]?)(?:\d{6,8}|[A-Z0-9]{3,4}-[A-Z0-9]{3,4})\b")
# What PostgreSQL says of a statement may hold a row's text: names of its own are kept, the rest of
# the message goes, with its DETAIL, LINE and CONTEXT.
_DATABASE = re.compile(
    r'((?:psycopg2(?:\.errors)?|django\.db\.utils)\.\w+: [^\n":]*(?:"[a-z_][a-z0-9_]*"[^\n":]*)*)'
    r"(?:[^\n]|\n(?!\n|Traceback|The above|During))*"
)
_DATABASE_REPR = re.compile(
    r"\b((?:Data|Integrity|Operational|Programming|Internal|Interface|NotSupported|Database)Error\()"
    r"[^\n]+"
)
MAX_TEXT = 50_000
_SCHEDULED = re.compile(r"Task (billing\.flush_usage|\w+\.(sweep|reap))\[.* succeeded")
_NOISY = ("botocore", "urllib3", "boto3", "s3transfer", "celery.beat", "celery.worker.strategy")


def clean(text: str) -> str:
    """Return `text` without keys, passwords, tokens, one-time codes, session values and rows."""
    text = _DATABASE.sub(rf"\1 {REDACTED}", text[:MAX_TEXT])
    text = _DATABASE_REPR.sub(rf"\1{REDACTED})", text)
    text = _SECRETS.sub(REDACTED, text)
    text = _PAIRS.sub(rf"\1{REDACTED}", text)
    text = _SCHEMES.sub(rf"\1 {REDACTED}", text)
    text = _QUERY.sub(rf"\1{REDACTED}", text)
    return _CODES.sub(rf"\1{REDACTED}", text)


def _cleaned(name: str, value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if _NAMES.fullmatch(name):
        return REDACTED
    if isinstance(value, Mapping):
        return {key: _cleaned(str(key), inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_cleaned("", inner) for inner in value]
    # What is no text is shown by its repr in the end: that is cleaned here.
    cleaned = clean(value if isinstance(value, str) else repr(value))
    return REDACTED if name.endswith("code") and _CODES.sub("", f"code={value}") == "" else cleaned


def redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Remove secrets from a record: by name and by pattern, nested, in exceptions' texts too."""
    for name, value in event.items():
        if not name.startswith("_"):
            event[name] = _cleaned(name, value)
    return event


def _not_the_schedule(record: logging.LogRecord) -> bool:
    """Keep quiet about scheduled tasks that ended well: they come every second."""
    return record.levelno > logging.INFO or not _SCHEDULED.search(record.getMessage())


def configure(*, level: str, style: str) -> None:
    """Send structlog's and the standard library's records to stdout in one format."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        redact,
    ]
    render = (
        structlog.processors.JSONRenderer()
        if style == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stdout.isatty())
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processor=render)
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for noisy in _NOISY:
        logging.getLogger(noisy).setLevel(logging.WARNING)
    logging.getLogger("celery.app.trace").addFilter(_not_the_schedule)
