"""The closed door of a suspended tenant: what its members and its keys are told."""

from __future__ import annotations

from email.utils import parseaddr

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _

from modelyard.core.errors import Forbidden, NotFound
from modelyard.core.http import problem
from tenants import selectors as tenants
from tenants.controls import selectors
from tenants.controls.models import Suspension
from tenants.models import ApiKey, Membership, Role, Tenant

_EXPORT = ("index", "export-new", "export", "export-cancel", "export-download")
_EXPORT_API = ("exports", "export", "export-link")
OPEN_ROUTES = frozenset(
    {f"rights:{name}" for name in _EXPORT} | {f"tenant-api:{name}" for name in _EXPORT_API}
)
"""What owners still reach: a suspension takes nobody's data away."""


class Suspended(Forbidden):
    """The tenant is suspended; says why and whom to write to."""

    default_code = "tenant_suspended"

    def __init__(self, tenant: Tenant, row: Suspension) -> None:
        """Make the sentence."""
        facts = {"reason": row.reason.rstrip("."), "mail": support_address()}
        super().__init__(
            _("This workspace is suspended: %(reason)s. Write to %(mail)s.") % facts,
            support=support_address(),
        )
        self.tenant = tenant
        self.row = row


def support_address() -> str:
    """Return the address that people write to."""
    return str(settings.SUPPORT_EMAIL or parseaddr(settings.DEFAULT_FROM_EMAIL)[1])


def require_member_may_enter(request: HttpRequest, membership: Membership) -> None:
    """Pass when the workspace is open, or to its owner's export.

    Raises:
        Suspended: It is suspended.
        NotFound: It is being deleted.
    """
    tenant = membership.tenant
    if tenant.status == Tenant.Status.ACTIVE:
        return
    row = selectors.suspension_find(tenant.pk)
    if row is None:
        raise NotFound(_("There is no such workspace, or you are not a member of it."))
    match = request.resolver_match
    asked = match.view_name if match is not None else ""
    if membership.role == Role.OWNER and asked in OPEN_ROUTES:
        request.suspension = row  # type: ignore[attr-defined]
        return
    raise Suspended(tenant, row)


def key_find(text: str) -> ApiKey | None:
    """Return the live key that `text` is, of a tenant that may work; None when there is none.

    Raises:
        Suspended: The key is right and its tenant is suspended.
    """
    key = tenants.key_find(text)
    if key is None or key.tenant.status == Tenant.Status.ACTIVE:
        return key
    row = selectors.suspension_find(key.tenant_id)
    if row is None:  # it is being deleted
        return None
    raise Suspended(key.tenant, row)


def respond(request: HttpRequest, error: Suspended) -> HttpResponse:
    """Answer 403: a problem document or fragment for programs, a page for people."""
    if problem.wants_json(request) or request.headers.get("HX-Request"):
        return problem.respond(request, error)
    membership = tenants.membership_find(user=request.user, slug=error.tenant.slug)  # type: ignore[arg-type]
    context = {
        "closed": error.tenant,
        "reason": error.row.reason,
        "since": error.row.created_at,
        "support": support_address(),
        "may_export": membership is not None and membership.role == Role.OWNER,
        "code": error.code,
        "request_id": problem.document(request, error)["request_id"],
    }
    return render(request, "controls/suspended.html", context, status=error.status)
