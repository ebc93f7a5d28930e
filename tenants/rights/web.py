"""Pages: a workspace's data (export, retention, deletion), certificates, one's own account."""

from __future__ import annotations

import json
import uuid

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_required
from django.core.serializers.json import DjangoJSONEncoder
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from modelyard.core.errors import Conflict, DomainError, Invalid, NotFound
from modelyard.core.http import problem
from tenants.http import actor_of, requires, tenant_of
from tenants.identity.fresh import recently_authenticated
from tenants.models import User
from tenants.rights import certificates, selectors, views
from tenants.rights.forms import RetentionForm
from tenants.rights.services import deletions, exports, persons, retention

ATTACHED = 'attachment; filename="%s"'


def _page(
    request: HttpRequest,
    *,
    form: RetentionForm | None = None,
    delete_error: str = "",
    status: int = 200,
) -> HttpResponse:
    tenant, actor = tenant_of(request), actor_of(request)
    # A suspended workspace keeps its export; what changes it waits.
    open_now = getattr(request, "suspension", None) is None
    context = {
        "exports": views.exports_shown(),
        "kept_days": settings.EXPORT_KEPT_DAYS,
        "retention": form or RetentionForm(rules=selectors.retention_of()),
        "may_retain": open_now and actor.may("workspace.manage"),
        "deletion": selectors.deletion_open(tenant.pk),
        "may_delete": open_now and actor.may("workspace.delete"),
        "grace_days": settings.DELETION_GRACE_DAYS,
        "delete_error": delete_error,
    }
    return render(request, "settings/data.html", context, status=status)


@require_GET
@requires("data.export")
def index(request: HttpRequest) -> HttpResponse:
    """Show exports, retention and the deletion of the workspace."""
    return _page(request)


@require_POST
@requires("data.export")
def export_new(request: HttpRequest) -> HttpResponse:
    """Order an export; one that is at work already is simply shown."""
    try:
        exports.export_request(actor=actor_of(request))
    except Conflict as error:
        messages.info(request, error.message)
    return redirect("rights:index", tenant_of(request).slug)


@require_GET
@requires("data.export")
def export_row(request: HttpRequest, export_id: uuid.UUID) -> HttpResponse:
    """Show how far one export is."""
    export = views.export_shown(selectors.export_get(export_id))
    return render(request, "settings/_export.html", {"export": export})


@require_POST
@requires("data.export")
def export_cancel(request: HttpRequest, export_id: uuid.UUID) -> HttpResponse:
    """Stop an export."""
    try:
        exports.export_cancel(actor=actor_of(request), export_id=export_id)
    except Conflict as error:
        messages.info(request, error.message)
    return redirect("rights:index", tenant_of(request).slug)


@require_GET
@requires("data.export")
def export_download(request: HttpRequest, export_id: uuid.UUID) -> HttpResponse:
    """Send the browser to the archive by an address that works for minutes."""
    return redirect(exports.export_link(actor=actor_of(request), export_id=export_id))


@require_POST
@requires("workspace.manage")
def retention_change(request: HttpRequest) -> HttpResponse:
    """Say how long what is kept."""
    form = RetentionForm(request.POST, rules=selectors.retention_of())
    if not form.is_valid():
        return _page(request, form=form, status=422)
    retention.retention_set(actor=actor_of(request), keep=form.cleaned_data)
    messages.success(request, _("Saved. It is applied within a day."))
    return redirect("rights:index", tenant_of(request).slug)


@require_POST
@requires("workspace.delete")
@recently_authenticated
def delete(request: HttpRequest) -> HttpResponse:
    """Schedule the deletion of the workspace."""
    try:
        deletions.deletion_request(actor=actor_of(request), typed_name=request.POST.get("name", ""))
    except Invalid as error:
        return _page(request, delete_error=error.message, status=422)
    except Conflict as error:
        messages.info(request, error.message)
    return redirect("rights:index", tenant_of(request).slug)


@require_POST
@requires("workspace.delete")
def keep(request: HttpRequest) -> HttpResponse:
    """Cancel the scheduled deletion."""
    try:
        deletions.deletion_cancel(actor=actor_of(request))
    except NotFound as error:
        messages.info(request, error.message)
    else:
        messages.success(request, _("The workspace stays. Nothing was removed."))
    return redirect("rights:index", tenant_of(request).slug)


@require_GET
def certificate(request: HttpRequest, certificate_id: uuid.UUID) -> HttpResponse:
    """Hand out a certificate to whoever has its address; it holds no personal data."""
    try:
        found = selectors.certificate_get(certificate_id)
    except NotFound as error:
        return problem.respond(request, error)
    text = json.dumps(found, indent=2, ensure_ascii=False)
    headers = {"Content-Disposition": ATTACHED % "deletion-certificate.json"}
    return HttpResponse(text, content_type="application/json", headers=headers)


@require_GET
def certificate_key(request: HttpRequest) -> HttpResponse:
    """Publish the key with which certificates are checked."""
    del request
    return HttpResponse(certificates.public_pem(), content_type="application/x-pem-file")


def _person(request: HttpRequest) -> User:
    if not isinstance(request.user, User):
        raise Invalid(_("Sign in first."))
    return request.user


@login_required
@require_GET
def own_data(request: HttpRequest) -> HttpResponse:
    """Hand a person what is held about them, as JSON."""
    text = json.dumps(
        persons.own_data(_person(request)), cls=DjangoJSONEncoder, indent=2, ensure_ascii=False
    )
    headers = {"Content-Disposition": ATTACHED % "my-modelyard-data.json"}
    return HttpResponse(text, content_type="application/json", headers=headers)


@login_required
@require_http_methods(["GET", "POST"])
@recently_authenticated
def account_delete(request: HttpRequest) -> HttpResponse:
    """Show what goes with an account; a POST with the address typed deletes it."""
    user, refused = _person(request), ""
    if request.method == "POST":
        try:
            persons.person_delete(user=user, typed_email=request.POST.get("email", ""))
        except DomainError as error:
            refused = error.message
        else:
            logout(request)
            return redirect("person:deleted")
    context = {"refused": refused, "owned": selectors.last_owned(user), "is_staff": user.is_staff}
    return render(request, "account/delete.html", context, status=422 if refused else 200)


@require_GET
def account_deleted(request: HttpRequest) -> HttpResponse:
    """Say that the account is gone."""
    return render(request, "account/deleted.html")
