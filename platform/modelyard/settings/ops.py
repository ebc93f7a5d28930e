"""The operators' console: a process of its own, on the ops login, with cookies of its own."""

from __future__ import annotations

from csp.constants import SELF, UNSAFE_EVAL, UNSAFE_INLINE
from django.core.exceptions import ImproperlyConfigured
from django.templatetags.static import static
from django.urls import reverse_lazy
from django.utils.translation import gettext_lazy as _

from modelyard.settings.base import *  # noqa: F403
from modelyard.settings.base import (
    CONTENT_SECURITY_POLICY,
    INSTALLED_APPS,
    OPS_URL,
    STATIC_ROOT,
    STORAGES,
    TEMPLATES,
    TEMPLATES_DIR,
    env,
)

for _name in ("SECRET_KEY", "DATABASE_URL", "BROKER_URL"):
    if not env(_name, default=""):
        raise ImproperlyConfigured(f"set {_name}: see docs/settings.md")

LOG_FORMAT = env("LOG_FORMAT", default="console")

INSTALLED_APPS = [
    "unfold.apps.BasicAppConfig",
    "unfold.contrib.filters",
    "django.contrib.admin.apps.SimpleAdminConfig",
    *(app for app in INSTALLED_APPS if not app.startswith("allauth")),
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "modelyard.core.http.request_id.RequestIdMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "modelyard.ops.middleware.OpsScopeMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "modelyard.ops.urls"

# The site's own error pages lead to addresses that this process does not have.
TEMPLATES = [
    {
        **TEMPLATES[0],
        "DIRS": [TEMPLATES_DIR / "ops"],
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]

# --- Cookies ignore ports, so the names differ from the site's ------------------------------
TLS = OPS_URL.startswith("https://")
CSRF_TRUSTED_ORIGINS = [OPS_URL]
SESSION_ENGINE = "modelyard.ops.sessions"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = LANGUAGE_COOKIE_SECURE = TLS
SESSION_COOKIE_NAME = "__Host-ops-session" if TLS else "ops-session"
CSRF_COOKIE_NAME = "__Host-ops-csrf" if TLS else "ops-csrf"
SESSION_COOKIE_SAMESITE = "Strict"
SESSION_COOKIE_AGE = 8 * 3600
SESSION_EXPIRE_AT_BROWSER_CLOSE = True
SECURE_HSTS_SECONDS = 31536000 if TLS else 0
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TLS else None
AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend"]
LOGIN_URL = "/login/"
LOGIN_REDIRECT_URL = "/"

# Unfold's pages evaluate their Alpine attributes and carry a style block for the colours.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        **CONTENT_SECURITY_POLICY["DIRECTIVES"],
        "script-src": [SELF, UNSAFE_EVAL],
        "style-src": [SELF, UNSAFE_INLINE],
        "connect-src": [SELF],
    }
}

# Where the files were collected (`collectstatic` with these settings), their hashed names.
if STATIC_ROOT:
    STORAGES = {
        **STORAGES,
        "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
    }
    WHITENOISE_USE_FINDERS = False


def _item(title: object, icon: str, name: str) -> dict[str, object]:
    return {"title": title, "icon": icon, "link": reverse_lazy(f"admin:{name}")}


UNFOLD = {
    "SITE_TITLE": _("Modelyard operators"),
    "SITE_HEADER": "Modelyard",
    "SITE_SUBHEADER": _("Operators' console"),
    "SITE_SYMBOL": "monitoring",
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda _request: static("img/mark.svg")}
    ],
    "SITE_URL": None,
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "DASHBOARD_CALLBACK": "modelyard.ops.dashboard.dashboard",
    "LOGIN": {"form": "modelyard.ops.forms.LoginForm"},
    "SIDEBAR": {
        "show_search": False,
        "show_all_applications": False,
        "navigation": [
            {
                "items": [
                    _item(_("Dashboard"), "dashboard", "index"),
                    _item(_("Tenants"), "apartment", "tenants_tenant_changelist"),
                    _item(_("Runs"), "model_training", "jobs_run_changelist"),
                    _item(_("Deployments"), "rocket_launch", "serving_deployment_changelist"),
                    _item(_("Ledger"), "receipt_long", "billing_entry_changelist"),
                    _item(_("Audit"), "policy", "tenants_auditevent_changelist"),
                ],
            },
        ],
    },
}
