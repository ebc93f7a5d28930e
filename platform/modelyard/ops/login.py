"""The console's door: a password opens nothing by itself, it only asks for the code."""

from __future__ import annotations

import uuid
from typing import Any

import structlog
from django.contrib.auth import login
from django.contrib.auth.views import LoginView
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from modelyard.core import clock
from modelyard.ops import roles, second_factor
from modelyard.ops.forms import CodeForm, LoginForm
from tenants.models import User

PENDING = "ops_pending"
PENDING_SECONDS = 300
BACKEND = "django.contrib.auth.backends.ModelBackend"
logger = structlog.get_logger(__name__)


class PasswordView(LoginView):
    """The first step."""

    authentication_form = LoginForm
    template_name = "admin/login.html"

    def form_valid(self, form: Form) -> HttpResponse:
        """Keep in a fresh session whose password was right, and ask for the code."""
        user = form.get_user()  # type: ignore[attr-defined]
        session = self.request.session
        session.flush()
        session[PENDING] = {
            "user": str(user.pk),
            "until": clock.now().timestamp() + PENDING_SECONDS,
            "next": self.get_redirect_url(),
        }
        return redirect("admin:login_code")


@never_cache
@sensitive_post_parameters("code")
@require_http_methods(["GET", "POST"])
def code_view(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    """The second step; without a first one that is at most five minutes old, back to it."""
    pending = request.session.get(PENDING, {})
    user = _pending_user(pending)
    if user is None:
        return redirect("admin:login")
    form = CodeForm(request.POST if request.method == "POST" else None, user=user)
    if form.is_valid():
        login(request, user, backend=BACKEND)  # a new session key
        del request.session[PENDING]
        request.session[second_factor.SESSION_KEY] = clock.now().isoformat()
        logger.info("ops_login", user=str(user.pk))
        return redirect(_safe(request, pending["next"]))
    shown = {**context, "form": form, "step": "code", "app_path": request.path}
    return render(request, "admin/login.html", shown)


def _pending_user(pending: dict[str, Any]) -> User | None:
    if not pending or pending["until"] < clock.now().timestamp():
        return None
    user = User.objects.filter(pk=uuid.UUID(pending["user"]), is_active=True).first()
    return user if user is not None and roles.roles_of(user) else None


def _safe(request: HttpRequest, url: str) -> str:
    """Return where one wanted to go, if that is here."""
    safe = url_has_allowed_host_and_scheme(
        url, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return url if safe and url else reverse("admin:index")
