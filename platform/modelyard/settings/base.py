"""What all settings share; every value that differs between places comes from the environment.

In a checkout a running embedded stack (`modelyard up`) leaves its addresses in
its state folder; they stand in for variables that are not set.
"""

from __future__ import annotations

import os
from pathlib import Path

import environ
from csp.constants import SELF
from django.core.exceptions import ImproperlyConfigured

from modelyard.embedded.record import running_env
from modelyard.settings.people import *  # noqa: F403
from modelyard.settings.people import SIGN_IN_ORIGINS, TLS

ROOT = Path(__file__).resolve().parents[3]
IN_CHECKOUT = (ROOT / "manage.py").exists()
PACKAGE = Path(__file__).resolve().parents[1]
TEMPLATES_DIR = ROOT / "templates" if IN_CHECKOUT else PACKAGE / "_templates"
STATIC_DIR = ROOT / "static" if IN_CHECKOUT else PACKAGE / "_static"
STATE_DIR = Path(os.environ.get("MODELYARD_STATE", ROOT / "var" if IN_CHECKOUT else "var"))

if IN_CHECKOUT and "DATABASE_URL" not in os.environ:
    for _name, _value in (running_env(STATE_DIR) or {}).items():
        os.environ.setdefault(_name, _value)

env = environ.Env()

DEBUG = False
SECRET_KEY = env("SECRET_KEY", default="")
SECRET_KEY_FALLBACKS = env.list("SECRET_KEY_FALLBACKS", default=[])
API_KEY_PEPPER = env("API_KEY_PEPPER", default="")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1"])
SITE_URL = env("SITE_URL", default="http://localhost:8000").rstrip("/")
OPS_URL = env("OPS_URL", default="http://localhost:8001").rstrip("/")
CSRF_TRUSTED_ORIGINS = [SITE_URL]

INSTALLED_APPS = [
    "modelyard.core",
    "tenants",
    "tenants.controls",
    "tenants.members",
    "tenants.identity",
    "tenants.rights",
    "tenants.trail",
    "billing",
    "training.datasets",
    "training.labeling",
    "training.registry",
    "training.jobs",
    "training.serving",
    "training.loops",
    "modelyard.web",
    "modelyard.ops",
    "modelyard.doctor",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "modelyard.web.apps.StaticFiles",
    "django.contrib.postgres",
    "django.contrib.humanize",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.google",
    "allauth.socialaccount.providers.github",
    "allauth.socialaccount.providers.openid_connect",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_htmx",
    "csp",
    "tenants.controls.apps.Waffle",
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
    "modelyard.core.http.traffic.TrafficMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "modelyard.core.http.nul.NulMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "tenants.identity.middleware.IdentityMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "modelyard.core.http.problem.ProblemMiddleware",
    "tenants.http.TenantMiddleware",
]

ROOT_URLCONF = "modelyard.urls"
WSGI_APPLICATION = "modelyard.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [TEMPLATES_DIR],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "modelyard.web.context.shell",
            ],
        },
    }
]

# --- PostgreSQL: three logins; the process's own is DATABASE_URL -----------------------
DATABASES = {"default": env.db("DATABASE_URL", default="postgres://localhost/modelyard")}
DATABASES["default"]["CONN_MAX_AGE"] = env.int("CONN_MAX_AGE", default=60)
DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
DATABASES["default"]["DISABLE_SERVER_SIDE_CURSORS"] = True
DATABASES["default"]["OPTIONS"] = {
    "connect_timeout": 5,
    "options": f"-c statement_timeout={env.int('STATEMENT_TIMEOUT_MS', default=30000)}"
    " -c idle_in_transaction_session_timeout=60000",
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Valkey: broker, cache, serving streams -------------------------------------------
BROKER_URL = env("BROKER_URL", default="redis://localhost:6379/0")
CACHE_URL = env("CACHE_URL", default=BROKER_URL)
SERVING_URL = env("SERVING_URL", default=CACHE_URL)
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": CACHE_URL,
        "KEY_PREFIX": "cache",
        "TIMEOUT": 300,
        "OPTIONS": {"socket_connect_timeout": 2, "socket_timeout": 5},
    },
    # Flags: in the process, so that a page needs no Valkey for them, and never older than this.
    "flags": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "TIMEOUT": 2},
}

# --- S3 ---------------------------------------------------------------------------------
S3_ENDPOINT_URL = env("S3_ENDPOINT_URL", default="")
S3_PUBLIC_ENDPOINT_URL = env("S3_PUBLIC_ENDPOINT_URL", default="")
S3_ACCESS_KEY = env("S3_ACCESS_KEY", default="")
S3_SECRET_KEY = env("S3_SECRET_KEY", default="")
S3_BUCKET = env("S3_BUCKET", default="modelyard")
S3_REGION = env("S3_REGION", default="us-east-1")
S3_CORS_ORIGINS = env.list("S3_CORS_ORIGINS", default=[SITE_URL])

# --- Celery: a doorbell; rows are the queue of record (docs/architecture.md, section 6) ---
CELERY_BROKER_URL = BROKER_URL
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TIMEZONE = "UTC"
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 900,
    # A worker looks into its queues in the order of its -Q: payments before imports.
    "queue_order_strategy": "priority",
    "unacked_restore_interval": 10,
    "unacked_restore_throttle": 1,
    "socket_timeout": 30,
    "socket_connect_timeout": 5,
    "socket_keepalive": True,
    "health_check_interval": 25,
    "global_keyprefix": "celery:",
}

# --- Runs -------------------------------------------------------------------------------
RUN_LEASE_SECONDS = env.float("RUN_LEASE_SECONDS", default=60.0)
RUN_HEARTBEAT_SECONDS = env.float("RUN_HEARTBEAT_SECONDS", default=5.0)
RUN_REAP_SECONDS = env.float("RUN_REAP_SECONDS", default=15.0)
CHECK_BY_ITSELF = env.bool("CHECK_BY_ITSELF", default=True)
RUN_SWEEP_AFTER_SECONDS = env.float("RUN_SWEEP_AFTER_SECONDS", default=60.0)
RUN_MAX_ATTEMPTS = env.int("RUN_MAX_ATTEMPTS", default=3)
RUN_CANCEL_GRACE_SECONDS = env.float("RUN_CANCEL_GRACE_SECONDS", default=4.0)
RUN_STALL_SECONDS = env.float("RUN_STALL_SECONDS", default=900.0)
RUN_MAX_SECONDS = env.float("RUN_MAX_SECONDS", default=24 * 3600.0)
RUN_CHECKPOINT_SECONDS = env.float("RUN_CHECKPOINT_SECONDS", default=60.0)
RUN_WORK_DIR = Path(env("RUN_WORK_DIR", default=str(STATE_DIR / "runs")))
# Further base models: folders in here are named by their folder's name.
ENGINE_BASES_DIR = env("ENGINE_BASES_DIR", default="")
RUN_THREADS = env.int("RUN_THREADS", default=max(1, len(os.sched_getaffinity(0))))
USAGE_FLUSH_SECONDS = env.float("USAGE_FLUSH_SECONDS", default=1.0)

# --- Audit trail: each act is sealed and its chain's head copied within seconds ---------------
AUDIT_SEAL_SECONDS = env.float("AUDIT_SEAL_SECONDS", default=5.0)

# --- Labelling ----------------------------------------------------------------------------
LABEL_LEASE_SECONDS = env.float("LABEL_LEASE_SECONDS", default=45.0)

# --- Serving ------------------------------------------------------------------------------
SERVING_SHARD = env("SERVING_SHARD", default="0")
SERVING_SHARDS = env.list("SERVING_SHARDS", default=[SERVING_SHARD])
USAGE_STREAMS = [f"{{s{_shard}}}:usage" for _shard in SERVING_SHARDS]
SERVING_CACHE_DIR = Path(env("SERVING_CACHE_DIR", default=str(STATE_DIR / "serving")))
SERVING_CACHE_BYTES = env.int("SERVING_CACHE_BYTES", default=4 * 1024**3)
PREDICT_DEADLINE_MS = env.int("PREDICT_DEADLINE_MS", default=5000)

# --- Uploads ------------------------------------------------------------------------------
UPLOAD_MAX_BYTES = env.int("UPLOAD_MAX_BYTES", default=10 * 1024**3)
UPLOAD_PART_BYTES = 8 * 1024**2

# --- Data rights: export, deletion, certificate (tenants.rights) ---------------------------------
RIGHTS_LEASE_SECONDS = env.float("RIGHTS_LEASE_SECONDS", default=60.0)
EXPORT_KEPT_DAYS = env.int("EXPORT_KEPT_DAYS", default=7)
DELETION_GRACE_DAYS = env.int("DELETION_GRACE_DAYS", default=7)
DELETION_STOP_SECONDS = env.float("DELETION_STOP_SECONDS", default=60.0)
CERTIFICATE_KEY = env("CERTIFICATE_KEY", default="")

# --- Billing: off (self-hosted, no limits), sandbox, stripe ---------------------------------
BILLING = env("BILLING", default="off")
BILLING_GRACE_DAYS = env.int("BILLING_GRACE_DAYS", default=14)
STRIPE_API_URL = env("STRIPE_API_URL", default="").rstrip("/")
STRIPE_SECRET_KEY = env("STRIPE_SECRET_KEY", default="")
STRIPE_WEBHOOK_SECRETS = env.list("STRIPE_WEBHOOK_SECRET", default=[])
if BILLING not in {"off", "sandbox", "stripe"}:
    raise ImproperlyConfigured("set BILLING to off, sandbox or stripe: see docs/settings.md")
if BILLING == "stripe":
    for _name in ("STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET"):
        if not env(_name, default=""):
            raise ImproperlyConfigured(f"set {_name}: see docs/settings.md")
if BILLING == "sandbox":
    STRIPE_API_URL = STRIPE_API_URL or "http://localhost:8002"
    STRIPE_SECRET_KEY = STRIPE_SECRET_KEY or "sk_test_sandbox"
# Where the browser is sent to pay: an answer to a form, so the page must allow it.
CHECKOUT_ORIGINS = {
    "off": [],
    "sandbox": [STRIPE_API_URL],
    "stripe": ["https://checkout.stripe.com", "https://billing.stripe.com"],
}[BILLING]

# --- Mail (how people sign in: modelyard.settings.people) -----------------------------------
DEFAULT_FROM_EMAIL = env("DEFAULT_FROM_EMAIL", default="Modelyard <hello@localhost>")
EMAIL_BACKEND = env("EMAIL_BACKEND", default="django.core.mail.backends.filebased.EmailBackend")
EMAIL_FILE_PATH = env("MAIL_DIR", default=str(STATE_DIR / "mail"))
EMAIL_HOST = env("EMAIL_HOST", default="localhost")
EMAIL_PORT = env.int("EMAIL_PORT", default=25)
EMAIL_HOST_USER = env("EMAIL_HOST_USER", default="")
EMAIL_HOST_PASSWORD = env("EMAIL_HOST_PASSWORD", default="")
EMAIL_USE_TLS = env.bool("EMAIL_USE_TLS", default=False)

# Whom a suspended workspace's people are told to write to; the sender of mail by default.
SUPPORT_EMAIL = env("SUPPORT_EMAIL", default="")

# --- Flags (tenants.controls.flags) ---------------------------------------------------------
WAFFLE_FLAG_MODEL = "controls.Flag"
WAFFLE_CACHE_NAME = "flags"

# --- Browser ------------------------------------------------------------------------------
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = LANGUAGE_COOKIE_SECURE = TLS
SESSION_COOKIE_NAME = "__Host-session" if TLS else "session"
CSRF_COOKIE_NAME = "__Host-csrf" if TLS else "csrf"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_HSTS_SECONDS = 31536000 if TLS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = TLS
# Health checks come from inside, without the proxy that ends TLS.
SECURE_SSL_REDIRECT = TLS
SECURE_REDIRECT_EXEMPT = [r"^livez$", r"^readyz$"]
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TLS else None
X_FRAME_OPTIONS = "DENY"
_S3_ORIGINS = [origin for origin in [S3_PUBLIC_ENDPOINT_URL or S3_ENDPOINT_URL] if origin]
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:", *_S3_ORIGINS],
        "connect-src": [SELF, *_S3_ORIGINS],
        "object-src": ["'none'"],
        "base-uri": ["'none'"],
        "form-action": [SELF, *CHECKOUT_ORIGINS, *SIGN_IN_ORIGINS],
        "frame-ancestors": ["'none'"],
    }
}

# --- Requests to addresses that customers chose (modelyard.core.outbound) --------------------
OUTBOUND_PORTS = env.list("OUTBOUND_PORTS", cast=int, default=[80, 443])
# `host:port` that may be reached though it is not on the public internet.
OUTBOUND_ALLOWED = frozenset(env.list("OUTBOUND_ALLOWED", default=[]))
# Between two requests to one host, over all workers; a site may ask for more.
CRAWL_DELAY_SECONDS = env.float("CRAWL_DELAY_SECONDS", default=1.0)
# Where a site's owner finds out who asks: it stands in the User-Agent.
CRAWL_CONTACT = env("CRAWL_CONTACT", default=SITE_URL)
CRAWL_MAX_PAGES = env.int("CRAWL_MAX_PAGES", default=2_000)
PULL_MAX_SECONDS = env.float("PULL_MAX_SECONDS", default=4 * 3600.0)

# --- Words --------------------------------------------------------------------------------
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("zh-hans", "简体中文")]  # each in its own words
LOCALE_PATHS = [PACKAGE / "locale"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"

# --- Static ---------------------------------------------------------------------------------
STATIC_URL = "/static/"
STATICFILES_DIRS = [STATIC_DIR]
STATIC_ROOT = env("STATIC_ROOT", default=None)
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False

# --- Limits -------------------------------------------------------------------------------
# Networks of our own proxies: their X-Forwarded-For says who the client is.
TRUSTED_PROXIES = env.list("TRUSTED_PROXIES", default=[])
# Widens (above 1) or narrows the plans' limits of the API, all of them alike.
API_LIMITS_FACTOR = env.float("API_LIMITS_FACTOR", default=1.0)

# --- API -----------------------------------------------------------------------------------
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024**2
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["tenants.http.ActorAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["tenants.http.ActorPermission"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["modelyard.core.http.parsers.StrictJsonParser"],
    "DEFAULT_PAGINATION_CLASS": "modelyard.core.http.pagination.Pages",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "modelyard.core.http.problem.exception_handler",
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Modelyard API",
    "VERSION": "1",
    "OAS_VERSION": "3.1.1",
    "DESCRIPTION": "Datasets, runs, models, deployments and predictions of one workspace.",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_AUTHENTICATION": [],
    "SERVE_PERMISSIONS": [],
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SCHEMA_PATH_PREFIX_INSERT": "",
    "PREPROCESSING_HOOKS": ["modelyard.core.http.schema.only_key_routes"],
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "modelyard.core.http.schema.closed_bodies",
        "modelyard.core.http.schema.lists",
        "tenants.schema.every_route",
        "modelyard.core.http.schema.refusals",
    ],
}

# --- Logs: JSON lines on stdout in production, readable in development -------------------------
LOGGING_CONFIG = None
LOG_FORMAT = env("LOG_FORMAT", default="json")
LOG_LEVEL = env("LOG_LEVEL", default="INFO")
FORMAT_MODULE_PATH = ["modelyard.formats"]
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"
