"""Logs: one JSON object a line, with request, tenant and run ids bound by whoever knows them."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

_SECRET = re.compile(r"mdy_[0-9A-Za-z]{8}_[0-9A-Za-z]{33}|sk_(live|test)_\w+|whsec_\w+")
_SCHEDULED = re.compile(r"Task (billing\.flush_usage|\w+\.(sweep|reap))\[.* succeeded")
_NOISY = ("botocore", "urllib3", "boto3", "s3transfer", "celery.beat", "celery.worker.strategy")
_NAMES = re.compile(r"password|secret|authorization|api_key|token", re.IGNORECASE)


def redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Remove keys and passwords from a record, by pattern and by name."""
    for name, value in event.items():
        if _NAMES.search(name):
            event[name] = "[redacted]"
        elif isinstance(value, str):
            event[name] = _SECRET.sub("[redacted]", value)
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
