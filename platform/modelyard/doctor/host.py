"""This host and its settings: secrets, addresses, mail, base models, disk, style sheets."""

from __future__ import annotations

import importlib.util
import shutil
import smtplib
import tempfile
from pathlib import Path

from django.conf import settings
from django.contrib.staticfiles import finders
from django.contrib.staticfiles.storage import staticfiles_storage
from django.core.mail import get_connection
from django.http.request import split_domain_port, validate_host

from modelyard.doctor.findings import Finding, fine, passed_over, plain, wrong
from training.engine import catalog
from training.engine.errors import SpecError

FREE_BYTES = 2 * 1024**3
SECRET_CHARACTERS = 32
_STYLES = "css/app.css"
_IN_FILES = "filebased.EmailBackend"


def host_checks() -> list[Finding]:
    """Look at what this process has of its own."""
    return [_secrets(), _addresses(), _mail(), _bases(), _disk(), _static()]


def _secrets() -> Finding:
    code = "secrets_set"
    short = [
        name
        for name in ("SECRET_KEY", "API_KEY_PEPPER")
        if len(getattr(settings, name)) < SECRET_CHARACTERS
    ]
    if short:
        return wrong(
            code,
            f"{' and '.join(short)}: not set, or shorter than {SECRET_CHARACTERS} characters, "
            "so sessions or API keys could be forged.",
            "Set it to the output of `openssl rand -hex 24`. A new SECRET_KEY signs everybody "
            "out; a new API_KEY_PEPPER makes all API keys useless.",
        )
    return fine(code, "SECRET_KEY and API_KEY_PEPPER are set.")


def _addresses() -> Finding:
    code = "site_address"
    name, _port = split_domain_port(settings.SITE_URL.split("://", 1)[-1].split("/", 1)[0])
    if not name or not validate_host(name, settings.ALLOWED_HOSTS):
        return wrong(
            code,
            f"SITE_URL is {settings.SITE_URL}, whose host is not in ALLOWED_HOSTS: the site "
            "answers 400 at its own address.",
            f"Put {name or 'the host of SITE_URL'} in ALLOWED_HOSTS.",
        )
    if settings.DEBUG:
        return wrong(
            code,
            "DEBUG is on: an error page shows settings and source code to whoever meets it.",
            "Unset DEBUG, except on your own machine.",
        )
    return fine(code, f"The site answers at {settings.SITE_URL}.")


def _mail() -> Finding:
    code = "mail_ready"
    if settings.EMAIL_BACKEND.endswith(_IN_FILES):
        fault = _unwritable(Path(settings.EMAIL_FILE_PATH))
        if fault:
            return wrong(
                code,
                f"Mail can't be put into {settings.EMAIL_FILE_PATH}: {fault}.",
                "Make MAIL_DIR a folder that this process may write.",
            )
        return fine(code, f"Mail is put into {settings.EMAIL_FILE_PATH}; nobody is sent any.")
    try:
        mailer = get_connection(fail_silently=False)
        if hasattr(mailer, "timeout"):
            mailer.timeout = mailer.timeout or 10
        mailer.open()
        mailer.close()
    except (OSError, smtplib.SMTPException) as error:
        return wrong(
            code,
            f"The mail server {settings.EMAIL_HOST}:{settings.EMAIL_PORT} can't be used: "
            f"{plain(error)}. Nobody can sign up.",
            "Check EMAIL_HOST, EMAIL_PORT, EMAIL_USE_TLS, EMAIL_HOST_USER, EMAIL_HOST_PASSWORD.",
        )
    return fine(code, f"Mail goes through {settings.EMAIL_BACKEND.rsplit('.', 2)[-2]}.")


def _has_engine() -> bool:
    return importlib.util.find_spec("torch") is not None


def _bases() -> Finding:
    code = "base_models"
    if not _has_engine():
        return passed_over(code, "There is no engine here; run the doctor in worker-train too.")
    try:
        found = [catalog.resolve(name) for name in catalog.CATALOG]
        if settings.ENGINE_BASES_DIR:
            folders = sorted(Path(settings.ENGINE_BASES_DIR).iterdir())
            found += [catalog.resolve(str(folder)) for folder in folders if folder.is_dir()]
    except SpecError as error:
        return wrong(code, plain(error) + ".", "Install it again, then run the doctor again.")
    except OSError as error:
        return wrong(
            code,
            f"Base models can't be read: {plain(error)}.",
            "Make ENGINE_BASES_DIR a folder of base models, or unset it.",
        )
    facts = ", ".join(f"{base.name} (sha256 {base.sha256[:12]}...)" for base in found)
    return fine(code, f"Base models are whole: {facts}.")


def _unwritable(folder: Path) -> str:
    """Return why a file can't be made in `folder`; empty when it can."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return ""
    except OSError as error:
        return plain(error)


def _disk() -> Finding:
    code = "disk_space"
    folders = [Path(settings.STATE_DIR)]
    if _has_engine():
        folders += [Path(settings.RUN_WORK_DIR), Path(settings.SERVING_CACHE_DIR)]
    least = None
    for folder in folders:
        fault = _unwritable(folder)
        if fault:
            return wrong(
                code,
                f"{folder} can't be written: {fault}.",
                "Let this process write there, or set MODELYARD_STATE, RUN_WORK_DIR and "
                "SERVING_CACHE_DIR to folders where it may.",
            )
        free = shutil.disk_usage(folder).free
        least = free if least is None else min(least, free)
        if free < FREE_BYTES:
            return wrong(
                code,
                f"Only {free / 1024**3:.1f} GiB are free in {folder}; runs need "
                f"{FREE_BYTES / 1024**3:.0f} GiB.",
                "Free some, or put the folder on a larger disk.",
            )
    return fine(code, f"{(least or 0) / 1024**3:.1f} GiB are free where files are kept.")


def _static() -> Finding:
    code = "static_files"
    try:
        url = staticfiles_storage.url(_STYLES)
    except ValueError as error:
        return wrong(
            code,
            f"Style sheets were not collected: {plain(error)}.",
            "Run `modelyard collectstatic --no-input` with STATIC_ROOT set.",
        )
    collected = bool(settings.STATIC_ROOT) and (Path(settings.STATIC_ROOT) / _STYLES).is_file()
    if not collected and not finders.find(_STYLES):
        return wrong(
            code,
            f"{_STYLES} is nowhere to be found: pages would come without style.",
            "Run `make css`, then `modelyard collectstatic --no-input` where STATIC_ROOT is set.",
        )
    return fine(code, f"Style sheets are served at {url}.")
