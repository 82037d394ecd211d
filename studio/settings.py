"""Every setting, and every environment variable, of Ray Studio.

Nothing else in the project reads the environment. With no variable set this is the
embedded studio: SQLite, local files, Previs, no key, no service. README's table lists
the variables; a test keeps the two the same.
"""

from __future__ import annotations

import os
import secrets
import socket
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

from studio.cookie_names import named_for
from studio.incoming_text import tidy_line
from studio.launcher.unusable import unusable_file

BASE_DIR = Path(__file__).resolve().parent.parent


class Environment(environ.Env):  # type: ignore[misc]  # environ is untyped
    """The environment, in which everything but the place of a folder is text."""

    def str(self, var: str, default: Any = environ.Env.NOTSET, multiline: bool = False) -> str:
        value: str = super().str(var, default, multiline)
        try:
            value.encode()
        except UnicodeEncodeError:
            if var not in FOLDERS:
                raise ImproperlyConfigured(f"{var} is not text: it must be UTF-8.") from None
        return value


FOLDERS = frozenset({"STUDIO_DATA_DIR", "STUDIO_STATIC_ROOT"})
env = Environment()


def _number(name: str, default: int, *, least: int = 0) -> int:
    raw = env.str(name, default="")
    if not raw:
        return default
    if not raw.isascii() or not raw.isdigit() or int(raw) < least:
        raise ImproperlyConfigured(f"{name} is {raw!r}; it must be a whole number from {least} up.")
    return int(raw)


def _switch(name: str, *, default: bool) -> bool:
    raw = env.str(name, default="").strip().lower()
    if not raw:
        return default
    if raw in {"1", "true", "yes", "on"}:
        return True
    if raw in {"0", "false", "no", "off"}:
        return False
    raise ImproperlyConfigured(f"{name} is {raw!r}; it must be on or off.")


def _words(name: str) -> list[str]:
    return [word.strip() for word in env.str(name, default="").split(",") if word.strip()]


def kept_secret(path: Path) -> str:
    """Return the secret kept in this file, making it (mode 0600) on first use."""
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        pass
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text"
        raise ImproperlyConfigured(
            f"The key file {path} cannot be read: {why}. It must belong to the user that runs the studio."
        ) from error
    path.parent.mkdir(parents=True, exist_ok=True)
    # Written whole, then linked into place: of two processes starting together one makes the
    # secret, the other reads it, and neither ever sees a part of it.
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(secrets.token_urlsafe(50))
    try:
        path.hardlink_to(draft)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    return path.read_text().strip()


def _own_secret(name: str) -> str:
    try:
        return kept_secret(DATA_DIR / name)
    except OSError as error:
        raise ImproperlyConfigured(unusable_file(error)) from error


def _database(url: str) -> dict[str, Any]:
    """Return Django's settings for a database address, refusing what the studio cannot use."""
    if urlsplit(url).scheme not in {"sqlite", "postgres", "postgresql"}:
        raise ImproperlyConfigured(
            "DATABASE_URL must start with postgres:// or sqlite:///, "
            "for example postgres://user:password@host:5432/name."
        )
    try:
        return dict(environ.Env.db_url_config(url))
    except ValueError as error:
        # Not the address itself: it has a password in it.
        raise ImproperlyConfigured(f"DATABASE_URL cannot be read: {error}.") from error


# ---- Where things are kept -------------------------------------------------------------
# Sessions, keys, clips and backups are of the studio's own user: whatever any of its processes
# creates, nobody else on the machine reads (launcher/private_files.py).
os.umask(0o077)
DATA_DIR = Path(env.str("STUDIO_DATA_DIR", default="") or BASE_DIR / "var").resolve()
try:
    DATA_DIR.mkdir(parents=True, exist_ok=True)
    (DATA_DIR / "tmp").mkdir(exist_ok=True)
    DATA_DIR_PROBLEM = "" if os.access(DATA_DIR, os.W_OK) else "it cannot be written to"
except OSError as error:
    DATA_DIR_PROBLEM = error.strerror or str(error)
if DATA_DIR_PROBLEM:
    raise ImproperlyConfigured(
        f"The data folder {DATA_DIR} cannot be used: {DATA_DIR_PROBLEM}. "
        "Set STUDIO_DATA_DIR to a folder this user may write to."
    )

# ---- Address and mode ------------------------------------------------------------------
PUBLIC_URL = env.str("STUDIO_PUBLIC_URL", default="").rstrip("/")
if PUBLIC_URL and urlsplit(PUBLIC_URL).scheme not in {"http", "https"}:
    raise ImproperlyConfigured(
        f"STUDIO_PUBLIC_URL is {PUBLIC_URL!r}; it must start with http:// or https://."
    )
_public_host = urlsplit(PUBLIC_URL).hostname or ""
DEBUG = _switch("DEBUG", default=False)
_hosts = _words("STUDIO_HOSTS")
ALLOWED_HOSTS = [
    "127.0.0.1",
    "localhost",
    "[::1]",
    *_hosts,
    *([_public_host] if _public_host else []),
]
CSRF_TRUSTED_ORIGINS = (
    [f"{urlsplit(PUBLIC_URL).scheme}://{urlsplit(PUBLIC_URL).netloc}"] if PUBLIC_URL else []
)
BEHIND_TLS = PUBLIC_URL.startswith("https://")

SECRET_KEY = env.str("SECRET_KEY", default="")
if not SECRET_KEY:
    if (PUBLIC_URL or _hosts) and not DEBUG:
        raise ImproperlyConfigured(
            "SECRET_KEY is not set, and this studio has a public address "
            "(STUDIO_PUBLIC_URL or STUDIO_HOSTS). Set SECRET_KEY to a long random text, "
            'for example the output of: python -c "import secrets; print(secrets.token_urlsafe(50))"'
        )
    SECRET_KEY = _own_secret("secret_key")

# Newest first: the first key encrypts, every key decrypts. Kept apart from the database.
ENCRYPTION_KEYS = _words("STUDIO_ENCRYPTION_KEY") or [_own_secret("encryption_key")]

# ---- Application -----------------------------------------------------------------------
INSTALLED_APPS = [
    "studio.apps.StudioConfig",
    "studio.apps.StudioAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django_htmx",
    "django_q",
    "axes",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
]
MIDDLEWARE = [
    "studio.operations.requests.RequestMiddleware",
    "studio.middleware.HeadMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "studio.middleware.ContentSecurityPolicyMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "studio.cookie_names.CookieNamesMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "studio.middleware.AddressRuleMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "studio.middleware.CleanTextMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "studio.middleware.UnseenMessagesMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "axes.middleware.AxesMiddleware",
    "studio.sign_in.middleware.KnownBrowserMiddleware",
    "studio.sign_in.middleware.TwoFactorMiddleware",
    "studio.middleware.SignedInMiddleware",
    "studio.middleware.OptionsMiddleware",
    "studio.middleware.TroubleMiddleware",
]
ROOT_URLCONF = "studio.urls"
WSGI_APPLICATION = "studio.wsgi.application"
TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "studio.context.shell",
            ],
            "builtins": ["django.templatetags.static", "studio.templatetags.studio_tags"],
        },
    }
]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# ---- Database --------------------------------------------------------------------------
DATABASE_URL = env.str("DATABASE_URL", default="") or f"sqlite:///{DATA_DIR / 'studio.sqlite3'}"
DATABASES: dict[str, dict[str, Any]] = {"default": _database(DATABASE_URL)}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["OPTIONS"] = {
        # IMMEDIATE takes the write lock at BEGIN: a read-then-write transaction waits its
        # turn (up to timeout, seconds) instead of failing half-way with "database is locked".
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": (
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-32000;"
            "PRAGMA temp_store=MEMORY; PRAGMA mmap_size=268435456;"
        ),
    }
else:
    DATABASES["default"]["CONN_MAX_AGE"] = 60
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
    # A page's queries take a few milliseconds: starting helpers or compiling takes longer than that.
    DATABASES["default"].setdefault("OPTIONS", {}).setdefault(
        "options", "-c max_parallel_workers_per_gather=0 -c jit=off"
    )

REDIS_URL = env.str("REDIS_URL", default="")
if REDIS_URL and urlsplit(REDIS_URL).scheme not in {"redis", "rediss", "unix"}:
    raise ImproperlyConfigured(
        "REDIS_URL must start with redis://, rediss:// or unix://, for example redis://host:6379/0."
    )
CACHES: dict[str, dict[str, Any]] = {
    "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}
    if REDIS_URL
    else {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "studio"}
}

# ---- Background work -------------------------------------------------------------------
WORKERS = _number("STUDIO_WORKERS", 2, least=1)  # renders side by side
FETCHERS = max(WORKERS, 2)  # downloads beside them
SENDERS = max(WORKERS, 3)  # submits beside those; one account never has all of them
# A slot for everything that may run here at once (services/work/rooms.py), one for an errand and
# one for the sweep: no kind of work, however slow, waits for another kind.
SLOTS = WORKERS + FETCHERS + SENDERS + 2
Q_CLUSTER: dict[str, Any] = {
    "name": "studio",
    "workers": SLOTS,
    "timeout": 1800,
    "retry": 2400,  # above timeout, always: a task must not be started again while it runs
    "max_attempts": 1,
    "ack_failures": True,  # trying again is the lifecycle's decision, not the broker's
    "bulk": 1,
    "poll": 0.25,
    # Taken from the broker ahead of a free slot. Few: what waits in one machine's memory is kept
    # from the others, and is asked for again only by the sweep if this one dies.
    "queue_limit": SLOTS,
    "catch_up": False,
    "save_limit": 250,
    "recycle": 200,
    "label": "Background work",
}
if REDIS_URL:
    Q_CLUSTER["redis"] = REDIS_URL
else:
    Q_CLUSTER["orm"] = "default"

# ---- Files -----------------------------------------------------------------------------
STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = Path(env.str("STUDIO_STATIC_ROOT", default="") or DATA_DIR / "static")
STUDIO_STORAGE = env.str("STUDIO_STORAGE", default="") or "file"
MEDIA_ROOT = DATA_DIR / "media"
STORAGES: dict[str, dict[str, Any]] = {
    # Names are made of codes, so writing one again replaces the same clip's earlier try.
    "default": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"allow_overwrite": True},
    },
    "staticfiles": {"BACKEND": "studio.staticfiles.StudioStaticFilesStorage"},
}
BUCKET_URL = ""  # what every address of a file in the bucket begins with
if STUDIO_STORAGE.startswith("s3://"):
    _bucket = urlsplit(STUDIO_STORAGE)
    _said = {name: values[-1] for name, values in parse_qs(_bucket.query).items()}
    _region = _said.get("region", "us-east-1")
    _endpoint = _said.get("endpoint", f"https://s3.{_region}.amazonaws.com").rstrip("/")
    if not _bucket.netloc or _bucket.path.strip("/") or set(_said) - {"endpoint", "region"}:
        raise ImproperlyConfigured(
            f"STUDIO_STORAGE is {STUDIO_STORAGE!r}; it must name a bucket, and after ? at most "
            "endpoint and region: s3://bucket?endpoint=https://...&region=..."
        )
    if urlsplit(_endpoint).scheme not in {"http", "https"} or not urlsplit(_endpoint).netloc:
        raise ImproperlyConfigured(
            f"STUDIO_STORAGE has the endpoint {_endpoint!r}; it must start with http:// or https://."
        )
    BUCKET_URL = f"{_endpoint}/{_bucket.netloc}/"
    STORAGES["default"] = {
        "BACKEND": "studio.media.bucket_storage.BucketStorage",
        "OPTIONS": {
            "bucket_name": _bucket.netloc,
            "endpoint_url": _endpoint,
            "region_name": _region,
            "querystring_auth": True,
            "file_overwrite": True,
        },
    }
elif STUDIO_STORAGE != "file":
    raise ImproperlyConfigured(
        f"STUDIO_STORAGE is {STUDIO_STORAGE!r}; it must be file or s3://bucket?endpoint=https://..."
    )
# Keep the rows in DATA_DIR/backups before migrations change a database with people in it.
BACKUP_BEFORE_MIGRATING = _switch("STUDIO_BACKUP_BEFORE_MIGRATING", default=True)
STUDIO_ACCEL = env.str("STUDIO_ACCEL", default="")
# Free space below which nothing new is begun (services/disk.py); 0 = never mind.
DISK_LEAST_BYTES = _number("STUDIO_DISK_LEAST_MB", 1000) * 10**6
MEDIA_HOSTS = frozenset(_words("STUDIO_MEDIA_HOSTS"))
WEBHOOK_HOSTS = frozenset(_words("STUDIO_WEBHOOK_HOSTS"))
FILE_UPLOAD_MAX_MEMORY_SIZE = 5 * 2**20
DATA_UPLOAD_MAX_MEMORY_SIZE = 5 * 2**20
# Beside the media: an upload of any size has room there, and is moved into place, not copied.
FILE_UPLOAD_TEMP_DIR = DATA_DIR / "tmp"
# Stored and collected files, whatever the umask. The front server reads them as one of the group.
FILE_UPLOAD_PERMISSIONS = 0o640 if STUDIO_ACCEL else 0o600
FILE_UPLOAD_DIRECTORY_PERMISSIONS = 0o750 if STUDIO_ACCEL else 0o700
FILE_UPLOAD_HANDLERS = [
    "studio.uploads.SignedInUploads",
    "django.core.files.uploadhandler.MemoryFileUploadHandler",
    "django.core.files.uploadhandler.TemporaryFileUploadHandler",
]

# ---- Providers -------------------------------------------------------------------------
# slug -> (key, base URL). A key here makes a provider account at start; accounts made in
# the admin need nothing here.
PROVIDER_ENVIRONMENT = {
    "apiframe": (env.str("APIFRAME_API_KEY", default=""), env.str("APIFRAME_BASE_URL", default="")),
    "aimlapi": (env.str("AIMLAPI_API_KEY", default=""), env.str("AIMLAPI_BASE_URL", default="")),
    "gmicloud": (env.str("GMICLOUD_API_KEY", default=""), env.str("GMICLOUD_BASE_URL", default="")),
    "luma": (env.str("LUMA_API_KEY", default=""), env.str("LUMA_BASE_URL", default="")),
}

# ---- People and safety -----------------------------------------------------------------
AUTH_USER_MODEL = "studio.User"
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
# Of new ones: who has a shorter one goes on signing in with it.
PASSWORD_CHARS = 12
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator",
        "OPTIONS": {"user_attributes": ("name", "email")},
    },
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": PASSWORD_CHARS},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "studio.passwords.PredictablePasswordValidator"},
]
DEFAULT_EXCEPTION_REPORTER_FILTER = "studio.reporting.SecretsFilter"
CSRF_FAILURE_VIEW = "studio.views.operations.errors.csrf_failure"
LOGIN_URL = "/login/"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/login/"
# Of codes and of links' passwords. How many passwords of accounts are judged stands in
# services/signing_in.py: axes writes the attempts down, for the control room, and locks nobody out.
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = 0.25  # hours
AXES_LOCK_OUT_AT_FAILURE = False
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_USERNAME_FORM_FIELD = "username"
AXES_RESET_ON_SUCCESS = True
AXES_VERBOSE = False
PROXIES = _number("STUDIO_PROXIES", 0)
AXES_CLIENT_IP_CALLABLE = "studio.proxies.client_address"

# Of allauth: the steps of a sign-in, codes of an authenticator app, OpenID Connect. Pages, names
# and throttling are the studio's own (studio/sign_in/).
ACCOUNT_ADAPTER = "studio.sign_in.adapters.AccountAdapter"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
MFA_ADAPTER = "studio.sign_in.adapters.TwoFactorAdapter"
MFA_TOTP_ISSUER = "Ray Studio"
MFA_TOTP_TOLERANCE = 1  # a code holds for its own half minute and the ones beside it
MFA_RECOVERY_CODE_DIGITS = 10
SOCIALACCOUNT_ADAPTER = "studio.sign_in.adapters.SsoAdapter"
SOCIALACCOUNT_REQUESTS_TIMEOUT = 10  # seconds

REQUIRE_TWO_FACTOR = env.str("STUDIO_REQUIRE_TWO_FACTOR", default="")
if REQUIRE_TWO_FACTOR not in {"", "staff", "everyone"}:
    raise ImproperlyConfigured(
        f"STUDIO_REQUIRE_TWO_FACTOR is {REQUIRE_TWO_FACTOR!r}; it must be staff, everyone or empty."
    )

SSO_ISSUER = env.str("STUDIO_SSO_ISSUER", default="").rstrip("/")
SSO_CLIENT_ID = env.str("STUDIO_SSO_CLIENT_ID", default="")
SSO_CLIENT_SECRET = env.str("STUDIO_SSO_CLIENT_SECRET", default="")
SSO_NAME = tidy_line(env.str("STUDIO_SSO_NAME", default="")) or "your company"
SSO_DOMAINS = frozenset(domain.lower().lstrip("@") for domain in _words("STUDIO_SSO_DOMAINS"))
SSO_NEW_PEOPLE = env.str("STUDIO_SSO_NEW_PEOPLE", default="")
if SSO_ISSUER and (
    urlsplit(SSO_ISSUER).scheme != "https"
    and urlsplit(SSO_ISSUER).hostname not in {"127.0.0.1", "localhost", "::1"}
):
    raise ImproperlyConfigured(
        f"STUDIO_SSO_ISSUER is {SSO_ISSUER!r}; it must start with https://, "
        "for example https://login.example.com/realms/film."
    )
if SSO_ISSUER and not (SSO_CLIENT_ID and SSO_CLIENT_SECRET):
    raise ImproperlyConfigured(
        "STUDIO_SSO_ISSUER is set; STUDIO_SSO_CLIENT_ID and STUDIO_SSO_CLIENT_SECRET must be too."
    )
if SSO_NEW_PEOPLE not in {"", "person", "reviewer", "editor"}:
    raise ImproperlyConfigured(
        f"STUDIO_SSO_NEW_PEOPLE is {SSO_NEW_PEOPLE!r}; "
        "it must be person, reviewer, editor or empty."
    )
if SSO_NEW_PEOPLE and not SSO_DOMAINS:
    raise ImproperlyConfigured(
        "STUDIO_SSO_NEW_PEOPLE is set; STUDIO_SSO_DOMAINS must name the e-mail domains it is for, "
        "or anybody with an account at the issuer could come in."
    )

SESSION_COOKIE_AGE = 60 * 60 * 24 * 30  # of guests; who signs in has the next two
SESSION_MOST_S = 60 * 60 * 24 * 30  # since signing in
SESSION_UNUSED_S = 60 * 60 * 24 * 7
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = BEHIND_TLS
SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = (
    named_for(kind, SECRET_KEY, behind_tls=BEHIND_TLS) for kind in ("session", "csrf")
)
# Only a proxy knows whether a browser came by TLS; without one this would turn in circles.
SECURE_SSL_REDIRECT = BEHIND_TLS and PROXIES > 0
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$"]  # asked from inside
SILENCED_SYSTEM_CHECKS = [
    "security.W008",  # studio.W002 says the same, and what to do
    # Whether HSTS is sent, and for whom, is STUDIO_HSTS's to say.
    "security.W004",
    "security.W005",
    "security.W021",
]
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if PROXIES else None
# How far "come by TLS only" (HSTS) reaches. Browsers hold a studio to it for a year, so by itself it
# speaks for its own host: other services may stand under the same name without TLS.
HSTS = env.str("STUDIO_HSTS", default="").lower() or "host"
if HSTS not in {"off", "host", "subdomains", "preload"}:
    raise ImproperlyConfigured(
        f"STUDIO_HSTS is {HSTS!r}; it must be off, host, subdomains or preload."
    )
SECURE_HSTS_SECONDS = 60 * 60 * 24 * 365 if BEHIND_TLS and HSTS != "off" else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = HSTS in {"subdomains", "preload"}
SECURE_HSTS_PRELOAD = HSTS == "preload"
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SECURE_CSP = {
    "default-src": ["'none'"],
    "script-src": ["'self'"],
    "style-src": ["'self'"],
    # The studio sends browsers on to the bucket, where there is one.
    "img-src": ["'self'", "data:", "blob:", *([BUCKET_URL] if BUCKET_URL else [])],
    "media-src": ["'self'", "blob:", *([BUCKET_URL] if BUCKET_URL else [])],
    "font-src": ["'self'"],
    "connect-src": ["'self'"],
    "form-action": ["'self'"],
    "object-src": ["'none'"],
    "base-uri": ["'none'"],
    "frame-ancestors": ["'none'"],
}
# What a page may ask the browser for: nothing but what the player and the copy buttons use.
PERMISSIONS_POLICY = ", ".join(
    [f"{feature}=(self)" for feature in ("autoplay", "clipboard-write", "fullscreen")]
    + [
        f"{feature}=()"
        for feature in (
            "accelerometer", "browsing-topics", "camera", "display-capture", "geolocation",
            "gyroscope", "hid", "magnetometer", "microphone", "midi", "payment", "serial", "usb",
        )
    ]
)  # fmt: skip

# ---- Mail ------------------------------------------------------------------------------
EMAIL_URL = env.str("EMAIL_URL", default="")
try:
    _mail = dict(environ.Env.email_url_config(EMAIL_URL or "dummymail://"))
except (ImproperlyConfigured, ValueError) as error:
    # Not the address itself: it has a password in it.
    raise ImproperlyConfigured(
        "EMAIL_URL cannot be read; it must begin with smtp://, smtp+tls:// or smtp+ssl://, "
        "for example smtp+tls://user:password@mail.example:587."
    ) from error
EMAIL_BACKEND = _mail["EMAIL_BACKEND"]
EMAIL_HOST = _mail["EMAIL_HOST"] or "localhost"
EMAIL_HOST_USER = _mail["EMAIL_HOST_USER"] or ""
EMAIL_HOST_PASSWORD = _mail["EMAIL_HOST_PASSWORD"] or ""
EMAIL_FILE_PATH = _mail["EMAIL_FILE_PATH"] or None
EMAIL_USE_TLS = _mail.get("EMAIL_USE_TLS", False)
EMAIL_USE_SSL = _mail.get("EMAIL_USE_SSL", False)
EMAIL_PORT = _mail["EMAIL_PORT"] or (465 if EMAIL_USE_SSL else 587 if EMAIL_USE_TLS else 25)
EMAIL_TIMEOUT = 20  # seconds
DEFAULT_FROM_EMAIL = (
    tidy_line(env.str("STUDIO_MAIL_FROM", default=""))
    or f"Ray Studio <studio@{_public_host or 'localhost'}>"
)
DIGEST_HOUR = _number("STUDIO_DIGEST_HOUR", 7)
if DIGEST_HOUR > 23:
    raise ImproperlyConfigured(
        f"STUDIO_DIGEST_HOUR is '{DIGEST_HOUR}'; it must be a whole number from 0 to 23."
    )

# ---- Words, time, logs -----------------------------------------------------------------
LANGUAGE_CODE = "en"
USE_I18N = False
FORMAT_MODULE_PATH = "studio.formats"
TIME_ZONE = "UTC"
USE_TZ = True
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"
LOG_LEVEL = env.str("STUDIO_LOG_LEVEL", default="").upper() or "INFO"
if LOG_LEVEL not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
    raise ImproperlyConfigured(
        f"STUDIO_LOG_LEVEL is {LOG_LEVEL!r}; it must be DEBUG, INFO, WARNING or ERROR."
    )
LOG_FORMAT = env.str("STUDIO_LOG", default="").lower() or "text"
if LOG_FORMAT not in {"text", "json"}:
    raise ImproperlyConfigured(f"STUDIO_LOG is {LOG_FORMAT!r}; it must be text or json.")
# A line for each request and task is for programs, and for who looks closely.
_each = LOG_LEVEL if LOG_FORMAT == "json" or LOG_LEVEL in {"DEBUG", "ERROR"} else "WARNING"
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "text": {"()": "studio.operations.logs.TextFormatter"},
        "json": {"()": "studio.operations.logs.JsonFormatter"},
    },
    "filters": {
        "not_later": {
            "()": "django.utils.log.CallbackFilter",
            "callback": lambda record: getattr(record, "status_code", None) != 503,
        }
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": LOG_FORMAT}},
    # Of every package: a logger nobody names here has its lines dated and masked too.
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {
        "studio": {"handlers": ["console"], "level": LOG_LEVEL, "propagate": False},
        "studio.operations": {"level": _each},
        "django": {"handlers": ["console"], "level": "WARNING", "propagate": False},
        # A wrong form (422) is an answer, not trouble; only 5xx are said, and a 503 by whom it is about.
        "django.request": {
            "handlers": ["console"],
            "level": "ERROR",
            "propagate": False,
            "filters": ["not_later"],
        },
        "django-q": {"handlers": ["console"], "level": "WARNING", "propagate": False},
        "axes": {"handlers": ["console"], "level": "WARNING", "propagate": False},
        # Anybody can send any Host: it is refused (400), and no line of the log each.
        "django.security.DisallowedHost": {"level": "CRITICAL"},
        # A request that waits for one of the threads is no trouble.
        "waitress.queue": {"level": "ERROR"},
    },
}

# ---- Watching ----------------------------------------------------------------------------
# Where web processes count their requests. Each machine has its own, although several may share the
# folder; read by prometheus_client from the environment alone.
METRICS_DIR = DATA_DIR / "metrics" / socket.gethostname()
os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(METRICS_DIR)
METRICS_TOKEN = env.str("STUDIO_METRICS_TOKEN", default="")
SENTRY_DSN = env.str("SENTRY_DSN", default="")
SENTRY_ENVIRONMENT = env.str("SENTRY_ENVIRONMENT", default="") or "production"

# ---- Limits ----------------------------------------------------------------------------
GALLERY_PAGE_SIZE = 60
WELCOME_LINK_HOURS = 24
INVITE_DAYS = 14
# What was deleted can be restored for so long; then its files are purged.
BIN_DAYS = 30
# Stills that nothing was made with go so long after they came; 0 = they stay.
STILL_DAYS = _number("STUDIO_STILL_DAYS", 0)
