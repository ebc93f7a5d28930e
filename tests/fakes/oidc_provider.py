"""A sign-in provider for the tests: allauth's own OpenID Connect provider, a process of its own.

`python tests/fakes/oidc_provider.py PORT REDIRECT_URI EMAIL` serves http://127.0.0.1:PORT with
one client (`modelyard` / `client-secret`) and one person with that verified address.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIServer, make_server

import django
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from django.conf import settings
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.urls import include, path

CLIENT_ID, CLIENT_SECRET, PASSWORD = "modelyard", "client-secret", "a password elsewhere"


def _configure(folder: Path) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    settings.configure(
        SECRET_KEY="provider-only",
        ALLOWED_HOSTS=["127.0.0.1"],
        ROOT_URLCONF=__name__,
        USE_TZ=True,
        # Browsers keep cookies by host, not by port: ours must not meet the site's.
        SESSION_COOKIE_NAME="provider-session",
        CSRF_COOKIE_NAME="provider-csrf",
        DATABASES={
            "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": folder / "provider.db"}
        },
        INSTALLED_APPS=[
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.sessions",
            "django.contrib.messages",
            "allauth",
            "allauth.account",
            "allauth.idp.oidc",
        ],
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "django.contrib.messages.middleware.MessageMiddleware",
            "allauth.account.middleware.AccountMiddleware",
        ],
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "APP_DIRS": True,
                "OPTIONS": {"context_processors": ["django.template.context_processors.request"]},
            }
        ],
        AUTHENTICATION_BACKENDS=["allauth.account.auth_backends.AuthenticationBackend"],
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        ACCOUNT_LOGIN_METHODS={"email"},
        ACCOUNT_SIGNUP_FIELDS=["email*", "password1*"],
        ACCOUNT_EMAIL_VERIFICATION="none",
        IDP_OIDC_PRIVATE_KEY=pem.decode(),
    )
    django.setup()


def _fill(redirect_uri: str, email: str) -> None:
    from allauth.account.models import EmailAddress
    from allauth.idp.oidc.models import Client
    from django.contrib.auth.models import User

    call_command("migrate", verbosity=0)
    person = User.objects.create_user("mara", email, PASSWORD, first_name="Mara", last_name="Li")
    EmailAddress.objects.create(user=person, email=email, verified=True, primary=True)
    client = Client(
        id=CLIENT_ID, name="Modelyard", scopes="openid\nprofile\nemail", redirect_uris=redirect_uri
    )
    client.set_secret(CLIENT_SECRET)
    client.save()


urlpatterns: list[object] = []
"""Filled once the settings stand."""


class Server(ThreadingMixIn, WSGIServer):
    """A browser holds connections open while the site fetches the token."""

    daemon_threads = True


def main(port: int, redirect_uri: str, email: str) -> None:
    """Serve until killed."""
    with tempfile.TemporaryDirectory() as folder:
        _configure(Path(folder))
        urlpatterns.extend(
            [
                path("accounts/", include("allauth.account.urls")),
                path("", include("allauth.idp.urls")),
            ]
        )
        _fill(redirect_uri, email)
        with make_server("127.0.0.1", port, get_wsgi_application(), Server) as server:
            print("ready", flush=True)
            server.serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3])
