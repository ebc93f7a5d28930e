"""The console's site and what its pages share. Only `admin_*` know which package draws them."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from collections.abc import Callable
from typing import Any, ClassVar

from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import URLPattern, URLResolver, path, reverse
from django.utils.formats import localize
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as later
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import TextFilter
from unfold.decorators import display
from unfold.sites import UnfoldAdminSite

from modelyard.core.http import request_id
from modelyard.ops import login, roles, second_factor, selectors, services
from modelyard.web.words import STATES
from tenants.access import Actor
from tenants.models import User


def column(name: str, title: Any) -> Callable[[Any], Any]:
    """Return a column (or a line of facts) that shows field `name` under `title`."""

    def show(row: Any) -> str:
        return value_words(getattr(row, name))

    show.__name__ = name
    return display(description=title, ordering=name)(show)  # type: ignore[no-any-return]


def value_words(value: Any) -> str:
    """Return a field's value as people read it; a dash for nothing."""
    if value is None or value == "":
        return "–"
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False, indent=1)
    if isinstance(value, dt.datetime):
        value = localtime(value)
    return str(localize(value))


class OpsSite(UnfoldAdminSite):  # type: ignore[misc]
    """The console; unfold's templates name their addresses `admin:`."""

    index_template = "dashboard.html"

    def has_permission(self, request: HttpRequest) -> bool:
        """Let in who has a role and opened this session with a second factor."""
        return second_factor.SESSION_KEY in request.session and bool(roles.roles_of(request.user))

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """Add what the frame shows of the operator."""
        found: dict[str, Any] = super().each_context(request)
        return {**found, "ops_roles": roles.title_of(request.user)}

    def extra_urls(self) -> list[URLPattern]:
        """Add the second step of signing in, and the search."""
        return [
            path("login/code/", self.login_code, name="login_code"),
            path("find/", self.admin_view(self.find), name="find"),
        ]

    def get_urls(self) -> list[URLPattern | URLResolver]:
        """Leave out the change of password: that is done in the product, which asks again."""
        found: list[Any] = super().get_urls()
        gone = {"password_change", "password_change_done"}
        return [one for one in found if getattr(one, "name", None) not in gone]

    def login(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponseBase:
        """Ask for the password."""
        if request.method == "GET" and self.has_permission(request):
            return redirect("admin:index")
        context = {
            **self.each_context(request),
            "title": _("Sign in"),
            "step": "password",
            "app_path": request.get_full_path(),
            "next": request.POST.get("next", request.GET.get("next", "")),
            **(extra_context or {}),
        }
        request.current_app = self.name
        return login.PasswordView.as_view(extra_context=context)(request)

    def login_code(self, request: HttpRequest) -> HttpResponse:
        """Ask for the code."""
        context = {**self.each_context(request), "title": _("Enter your code")}
        return login.code_view(request, context)

    def find(self, request: HttpRequest) -> HttpResponse:
        """Lead to what was typed: a run or workspace by id, a request's acts, runs by name."""
        typed = request.GET.get("q", "").strip()[:200]
        if typed.startswith("req_"):
            return redirect(f"{reverse('admin:tenants_auditevent_changelist')}?q={typed}")
        route, target = selectors.find(typed)
        if target:
            return redirect(f"admin:{route}_change", target)
        query = request.GET.copy()
        query["q"] = typed
        return redirect(f"{reverse('admin:jobs_run_changelist')}?{query.urlencode()}")

    def app_index(self, request: HttpRequest, app_label: str, **_extra: object) -> HttpResponse:
        """Lead to the dashboard, which has every app."""
        del request, app_label
        return redirect("admin:index")


site = OpsSite(name="admin")


class TenantFilter(TextFilter):  # type: ignore[misc]
    """Rows of the workspaces whose address starts with what was typed."""

    title = later("workspace")
    parameter_name = "tenant"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Filter."""
        del request
        typed = (self.value() or "").strip().lower()
        return queryset.filter(tenant_slug__startswith=typed) if typed else queryset


class ReadOnly(ModelAdmin):  # type: ignore[misc]
    """A page to look at: nobody changes a row through it.

    Attributes:
        act: What an operator's role must allow to see it.
        heading: What the list is called, as its tab is.
    """

    act: ClassVar[str] = "look"
    heading: ClassVar[str | Promise] = ""
    ordering = ("-id",)
    list_per_page = 50
    show_full_result_count = False
    list_filter_submit = True
    list_fullwidth = True
    change_form_template = "detail.html"

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Let every operator whose role allows it look."""
        del obj
        return roles.may(request.user, self.act)

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Show it to whoever may look."""
        return self.has_view_permission(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Rows are made by the services."""
        del request
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Rows are changed by the services."""
        del request, obj
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Rows are deleted by the services."""
        del request, obj
        return False

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Name the list after what it lists."""
        context = {"title": self.heading, **(extra_context or {})}
        response: HttpResponse = super().changelist_view(request, context)
        return response

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show one row; its page leads back to the list by the list's name."""
        row = self.get_object(request, object_id)
        name = self.row_name(row) if row is not None else ""
        context = {"list_heading": self.heading, "row_name": name, **(extra_context or {})}
        response: HttpResponse = super().change_view(request, object_id, form_url, context)
        return response

    def row_name(self, row: Any) -> str:
        """Return what the row's page is called."""
        return str(row)

    def history_view(self, request: HttpRequest, object_id: str, **_extra: object) -> HttpResponse:
        """Say that there is none: what happened stands in the audit trail.

        Raises:
            Http404: Always.
        """
        del request, object_id
        raise Http404


class TenantRows(ReadOnly):
    """Rows of all tenants, each with its workspace."""

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return all tenants' rows."""
        return selectors.with_tenant(super().get_queryset(request))

    @display(description=later("workspace"), ordering="tenant_slug")  # type: ignore[untyped-decorator]
    def workspace(self, row: Any) -> str:
        """Show whose row it is, leading there."""
        link = reverse("admin:tenants_tenant_change", args=[row.tenant_id])
        return format_html('<a href="{}">{}</a>', link, row.tenant_slug)


def status_mark(state: str, word: str = "") -> SafeString:
    """Return a state as a shape and a word; `word` replaces the word."""
    tone, known = STATES.get(state, ("", state))
    css = f"y-status y-status-{tone}" if tone else "y-status"
    return format_html('<span class="{}">{}</span>', css, word or known)


def actor_of(request: HttpRequest, tenant_id: uuid.UUID) -> Actor:
    """Return the operator of this request as somebody who acts for the tenant.

    Raises:
        PermissionDenied: Nobody is signed in.
    """
    if not isinstance(request.user, User):
        raise PermissionDenied
    return services.staff_actor(
        user=request.user, tenant_id=tenant_id, request_id=request_id.of(request)
    )
