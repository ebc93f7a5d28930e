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
    FORMAT_MODULE_PATH,
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
    *INSTALLED_APPS,
]
MIDDLEWARE = [
    "modelyard.core.http.client_address.ClientAddressMiddleware",
    # What sets headers comes before what serves static files.
    "django.middleware.security.SecurityMiddleware",
    "modelyard.core.http.headers.HeadersMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "modelyard.core.http.request_id.RequestIdMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "modelyard.core.http.nul.NulMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    # None of its pages is here; allauth's apps, whose second factor is asked for, insist on it.
    "allauth.account.middleware.AccountMiddleware",
    "modelyard.ops.middleware.OpsScopeMiddleware",
]
ROOT_URLCONF = "modelyard.ops.urls"
FORMAT_MODULE_PATH = ["modelyard.ops.formats", *FORMAT_MODULE_PATH]

# First the console's own: the site's error pages lead to addresses that are not here.
TEMPLATES = [
    {
        **TEMPLATES[0],
        "DIRS": [TEMPLATES_DIR / "ops", TEMPLATES_DIR],
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
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = TLS
# Health checks come from inside, without the proxy that ends TLS.
SECURE_SSL_REDIRECT = TLS
SECURE_REDIRECT_EXEMPT = [r"^livez$", r"^readyz$"]
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


def _item(title: object, name: str, **more: object) -> dict[str, object]:
    return {"title": title, "link": reverse_lazy(f"admin:{name}"), **more}


# The tokens of the design (static/css/ops.css has the same): a page, its lines and its text,
# and one blue. From 700 on, `base` is the dark theme's.
_BASE = {
    "50": "#f7f7f5",
    "100": "#f2f1ee",
    "200": "#e7e6e2",
    "300": "#d3d2cd",
    "400": "#908f99",
    "500": "#6b6a73",
    "600": "#56555d",
    "700": "#36373f",
    "800": "#2a2b31",
    "900": "#141518",
    "950": "#0e0f11",
}
_PRIMARY = {
    "50": "#eef1fd",
    "100": "#dfe5fb",
    "200": "#c3cdf7",
    "300": "#b3c1ff",
    "400": "#a8b9ff",
    "500": "#9db1ff",
    "600": "#3453d0",
    "700": "#2b46b5",
    "800": "#243a94",
    "900": "#1e2f75",
    "950": "#1e2440",
}
_FONT = {
    "subtle-light": "#6b6a73",
    "subtle-dark": "#908f99",
    "default-light": "#1d1c21",
    "default-dark": "#ececef",
    "important-light": "#1d1c21",
    "important-dark": "#ececef",
}
UNFOLD = {
    "SITE_TITLE": _("Modelyard operations"),
    "SITE_HEADER": "Modelyard",
    "SITE_FAVICONS": [
        {
            "rel": "icon",
            "type": "image/svg+xml",
            "href": lambda _request: static("img/ops-mark.svg"),
        }
    ],
    "SITE_URL": None,
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "COLORS": {"base": _BASE, "primary": _PRIMARY, "font": _FONT},
    "BORDER_RADIUS": "6px",
    "STYLES": [lambda _request: static("css/ops.css")],
    "DASHBOARD_CALLBACK": "modelyard.ops.dashboard.dashboard",
    # Drawn as tabs (templates/ops/admin/base.html).
    "SIDEBAR": {
        "show_search": False,
        "show_all_applications": False,
        "navigation": [
            {
                "items": [
                    _item(_("Overview"), "index"),
                    _item(_("Workspaces"), "tenants_tenant_changelist"),
                    _item(_("Runs"), "jobs_run_changelist"),
                    {
                        "title": _("Dead letters"),
                        "link": reverse_lazy("letters"),
                        "badge": "modelyard.ops.tabs.dead_letters",
                    },
                    _item(_("Deployments"), "serving_deployment_changelist"),
                    _item(
                        _("Ledger"),
                        "billing_entry_changelist",
                        permission="modelyard.ops.tabs.may_read_ledger",
                    ),
                    _item(
                        _("Webhooks"),
                        "billing_stripeevent_changelist",
                        permission="modelyard.ops.tabs.may_read_webhooks",
                    ),
                    _item(_("Audit"), "tenants_auditevent_changelist"),
                    {
                        "title": _("Flags"),
                        "link": reverse_lazy("flags"),
                        "permission": "modelyard.ops.tabs.may_flag",
                    },
                    {
                        "title": _("Switches"),
                        "link": reverse_lazy("switches"),
                        "permission": "modelyard.ops.tabs.may_switch",
                        "badge": "modelyard.ops.tabs.stopped",
                    },
                ],
            },
        ],
    },
}
