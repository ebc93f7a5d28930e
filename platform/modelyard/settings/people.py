"""How people sign in: addresses, passwords, second factors, sign-in providers.

Names that begin with ACCOUNT, MFA, SOCIALACCOUNT and USERSESSIONS are django-allauth's.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

env = environ.Env()
TLS = env("SITE_URL", default="").startswith("https://")

# --- Who is it -----------------------------------------------------------------------------
AUTH_USER_MODEL = "tenants.User"
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
_VALIDATION = "django.contrib.auth.password_validation"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"{_VALIDATION}.UserAttributeSimilarityValidator"},
    {"NAME": f"{_VALIDATION}.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": f"{_VALIDATION}.CommonPasswordValidator"},
]
PASSWORD_RESET_TIMEOUT = 60 * 60
LOGIN_URL = "/accounts/login/"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/accounts/login/"

# --- Addresses, passwords and codes ----------------------------------------------------------
ACCOUNT_ADAPTER = "tenants.accounts.AccountAdapter"
ACCOUNT_FORMS = {
    "add_email": "tenants.identity.forms.AddressForm",
    "login": "tenants.identity.forms.SignInForm",
    "signup": "tenants.identity.forms.SignUpForm",
}
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_EMAIL_VERIFICATION_BY_CODE_ENABLED = True
ACCOUNT_EMAIL_VERIFICATION_SUPPORTS_RESEND = True
ACCOUNT_LOGIN_BY_CODE_ENABLED = True
ACCOUNT_LOGIN_BY_CODE_SUPPORTS_RESEND = True
ACCOUNT_LOGIN_BY_CODE_TIMEOUT = 10 * 60
ACCOUNT_PREVENT_ENUMERATION = "strict"
ACCOUNT_CHANGE_EMAIL = True
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_SIGNUP_REDIRECT_URL = "/"
ACCOUNT_LOGOUT_ON_GET = False
# Dangerous acts need a sign-in or a confirmation not older than this (tenants.identity.fresh).
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_REAUTHENTICATION_TIMEOUT = 15 * 60
# Over allauth's limits, a limit a day: three guesses a code, so 60 guesses of a million a day.
ACCOUNT_RATE_LIMITS = {
    "request_login_code": "20/m/ip,3/m/key,20/d/key",
    "reset_password": "20/m/ip,5/m/key,20/d/key",
    "confirm_email": "1/10s/key,20/d/key",
}

# --- Second factors and devices ----------------------------------------------------------------
MFA_ADAPTER = "tenants.identity.adapters.MfaAdapter"
MFA_FORMS = {"add_webauthn": "tenants.identity.forms.PasskeyForm"}
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_RECOVERY_CODES_SHOW_ONCE = True
MFA_TOTP_ISSUER = "Modelyard"
# A step to either side would be kinder to late typists, but a used code is only remembered for
# one step, so it could be used twice.
MFA_TOTP_TOLERANCE = 0
# allauth answers a sign-in by passkey alone against whichever challenge the session holds. Were
# one of them without PIN or fingerprint (a second step's), a found key would open its account.
MFA_WEBAUTHN_USER_VERIFICATION = "required"
# Browsers allow passkeys over http on localhost alone; there the origin's scheme is not checked.
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = not TLS
# The last use of a device is kept by tenants.identity.middleware, not at every request.
USERSESSIONS_TRACK_ACTIVITY = False

# --- Sign-in with others: only what is configured is offered --------------------------------------
SOCIALACCOUNT_ADAPTER = "tenants.identity.adapters.SocialAdapter"
SOCIALACCOUNT_EMAIL_AUTHENTICATION_AUTO_CONNECT = True
SOCIALACCOUNT_STORE_TOKENS = False
SOCIALACCOUNT_PROVIDERS: dict[str, dict[str, Any]] = {}
SIGN_IN_ORIGINS: list[str] = []
"""Where the browser is sent to sign in: an answer to a form, so the page must allow it."""


def _app(client_id: str, secret: str, **more: Any) -> dict[str, Any]:
    return {"client_id": client_id, "secret": secret, "key": "", **more}


for _name, _id, _secret, _scopes, _origin in (
    (
        "google",
        env("GOOGLE_CLIENT_ID", default=""),
        env("GOOGLE_CLIENT_SECRET", default=""),
        ["profile", "email"],
        "https://accounts.google.com",
    ),
    (
        "github",
        env("GITHUB_CLIENT_ID", default=""),
        env("GITHUB_CLIENT_SECRET", default=""),
        ["user:email"],
        "https://github.com",
    ),
):
    if bool(_id) != bool(_secret):
        raise ImproperlyConfigured(
            f"set both {_name.upper()}_CLIENT_ID and {_name.upper()}_CLIENT_SECRET, or neither"
        )
    if _id:
        SOCIALACCOUNT_PROVIDERS[_name] = {
            "APPS": [_app(_id, _secret)],
            "SCOPE": _scopes,
            "OAUTH_PKCE_ENABLED": True,
            "EMAIL_AUTHENTICATION": True,
        }
        SIGN_IN_ORIGINS.append(_origin)

_OIDC_KEYS = {"id", "name", "server_url", "client_id", "client_secret"}
_oidc = env.json("OIDC_PROVIDERS", default=[])
for _provider in _oidc:
    if not isinstance(_provider, dict) or _OIDC_KEYS - set(_provider):
        raise ImproperlyConfigured(
            "OIDC_PROVIDERS is a JSON list of objects with id, name, server_url, client_id and"
            " client_secret: see docs/settings.md"
        )
    _parts = urlsplit(_provider["server_url"])
    SIGN_IN_ORIGINS.append(f"{_parts.scheme}://{_parts.netloc}")
    if "login_origin" in _provider:
        SIGN_IN_ORIGINS.append(_provider["login_origin"])
if _oidc:
    SOCIALACCOUNT_PROVIDERS["openid_connect"] = {
        "OAUTH_PKCE_ENABLED": True,
        "APPS": [
            _app(
                provider["client_id"],
                provider["client_secret"],
                provider_id=provider["id"],
                name=provider["name"],
                settings={
                    "server_url": provider["server_url"],
                    "email_authentication": bool(provider.get("trust_email", False)),
                },
            )
            for provider in _oidc
        ],
    }
