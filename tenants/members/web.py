"""Pages: the workspace's general settings, its people, an invitation's link."""

from __future__ import annotations

import uuid
from collections.abc import Callable

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from modelyard.core import clock
from modelyard.core.errors import DomainError, Forbidden, Invalid, NotFound, QuotaExceeded
from modelyard.core.http import problem
from tenants.access import Actor
from tenants.http import actor_of, requires, tenant_of
from tenants.identity.fresh import confirm_first, is_fresh, recently_authenticated
from tenants.members import arrivals, selectors, states
from tenants.members.models import Invitation
from tenants.members.roles import SENTENCES
from tenants.members.services import invitations, people, workspace
from tenants.models import Membership, Role, User


def _problem(request: HttpRequest, refusal: DomainError) -> dict[str, object]:
    """Return what `components/problem.html` shows; a plan's limit leads to the plans."""
    found = problem.document(request, refusal)
    if isinstance(refusal, QuotaExceeded):
        found["action_url"] = refusal.data["upgrade_url"]
        found["action_label"] = _("Look at the plans")
    return found


def _roles(actor: Actor) -> list[dict[str, object]]:
    """Return the roles with their sentences; `open` says whether the actor may give it."""
    return [
        {
            "name": role.value,
            "label": role.label.capitalize(),
            "sentence": SENTENCES[role],
            "open": actor.may_touch(Membership(role=role)),
        }
        for role in Role
    ]


def _member(place: Membership, actor: Actor) -> dict[str, object]:
    return {
        "id": place.pk,
        "name": place.user.name,
        "email": place.user.email,
        "role": place.role,
        "role_label": place.get_role_display().capitalize(),
        "joined_at": place.created_at,
        "seen_at": place.user.last_login,
        "is_self": str(place.user_id) == actor.id,
        "open": actor.may_touch(place),
        "is_last_owner": selectors.is_last_owner(place),
    }


def _invited(invitation: Invitation, actor: Actor) -> dict[str, object]:
    late = clock.now() - invitation.rung_at > invitations.GIVE_UP_AFTER
    return {
        "id": invitation.pk,
        "email": invitation.email,
        "role_label": invitation.get_role_display().capitalize(),
        "status": invitation.status,
        "inviter": invitation.invited_by.email if invitation.invited_by else "",
        "sent_at": invitation.sent_at,
        "is_stuck": invitation.sent_at is None and late,
        "expires_at": invitation.expires_at,
        "open": actor.may_touch(invitation),
    }


def _general(request: HttpRequest, refusal: DomainError | None = None) -> HttpResponse:
    actor, tenant = actor_of(request), tenant_of(request)
    own = selectors.place_find(tenant.pk, actor)
    others = [one for one in selectors.member_list(tenant.pk) if one != own]
    context = {
        "problem": _problem(request, refusal) if refusal else None,
        "name": request.POST.get("name", tenant.name),
        "name_length": workspace.NAME_LENGTH,
        "may_rename": actor.may("workspace.manage"),
        "may_transfer": actor.may("members.own"),
        "others": others if actor.may("members.own") else [],
        "role_label": own.get_role_display().capitalize() if own else "",
        "role_sentence": SENTENCES[own.role] if own else "",
        "is_last_owner": own is not None and selectors.is_last_owner(own),
    }
    status = refusal.status if refusal else 200
    return render(request, "settings/general.html", context, status=status)


@require_http_methods(["GET", "POST"])
@requires("workspace.read")
def general(request: HttpRequest) -> HttpResponse:
    """Show the workspace's name and one's own place in it; a POST renames."""
    if request.method == "GET":
        return _general(request)
    name = request.POST.get("name", "")
    return _acted(
        request,
        lambda: workspace.workspace_rename(actor=actor_of(request), name=name),
        _("The workspace is renamed. Its address stays."),
        _general,
    )


@require_POST
@requires("members.own")
@recently_authenticated
def transfer(request: HttpRequest) -> HttpResponse:
    """Hand the ownership over to the member that the form names."""

    def act() -> None:
        member_id = _id_in(request, "member")
        people.ownership_transfer(actor=actor_of(request), member_id=member_id)

    return _acted(request, act, _("The workspace has a new owner. You are an admin now."), _general)


@require_POST
@requires("workspace.read")
def leave(request: HttpRequest) -> HttpResponse:
    """Give up one's own place."""
    name = tenant_of(request).name
    try:
        with transaction.atomic():
            people.member_leave(actor=actor_of(request))
    except DomainError as refusal:
        return _general(request, refusal)
    messages.success(request, _("You have left %(name)s.") % {"name": name})
    return redirect("root")


def _members(request: HttpRequest, refusal: DomainError | None = None) -> HttpResponse:
    actor, tenant = actor_of(request), tenant_of(request)
    invited = selectors.invitation_list(tenant.pk)
    context = {
        "problem": _problem(request, refusal) if refusal else None,
        "members": [_member(place, actor) for place in selectors.member_list(tenant.pk)],
        "invitations": [_invited(one, actor) for one in invited],
        "roles": _roles(actor),
        "may_manage": actor.may("members.manage"),
        "email": request.POST.get("email", "") if refusal else "",
        "chosen": request.POST.get("role", "") if refusal else Role.BUILDER.value,
        "days": invitations.DAYS,
    }
    status = refusal.status if refusal else 200
    return render(request, "settings/members.html", context, status=status)


@require_GET
@requires("members.read")
def member_list(request: HttpRequest) -> HttpResponse:
    """Show who is in and who is invited."""
    return _members(request)


@require_POST
@requires("members.manage")
def invite(request: HttpRequest) -> HttpResponse:
    """Invite an address."""
    email, role = request.POST.get("email", ""), request.POST.get("role", "")
    if role == Role.OWNER and not is_fresh(request):
        return confirm_first(request)
    return _acted(
        request,
        lambda: invitations.invitation_create(actor=actor_of(request), email=email, role=role),
        _("The invitation to %(email)s is on its way.") % {"email": email.strip()},
        _members,
        "members:list",
    )


@require_POST
@requires("members.manage")
def member_role(request: HttpRequest, member_id: uuid.UUID) -> HttpResponse:
    """Give a member the role that the form names."""
    actor, role = actor_of(request), request.POST.get("role", "")
    roles = (role, selectors.role_of(actor.tenant_id, member_id))
    if Role.OWNER in roles and not is_fresh(request):
        return confirm_first(request)
    return _acted(
        request,
        lambda: people.member_set_role(actor=actor, member_id=member_id, role=role),
        _("The role is changed."),
        _members,
        "members:list",
    )


@require_POST
@requires("members.manage")
def member_remove(request: HttpRequest, member_id: uuid.UUID) -> HttpResponse:
    """Take a member out."""
    actor = actor_of(request)
    if selectors.role_of(actor.tenant_id, member_id) == Role.OWNER and not is_fresh(request):
        return confirm_first(request)
    return _acted(
        request,
        lambda: people.member_remove(actor=actor, member_id=member_id),
        _("The member is removed. Keys and everything made stay."),
        _members,
        "root" if _is_self(actor, member_id) else "members:list",
    )


@require_POST
@requires("members.manage")
def invitation_resend(request: HttpRequest, invitation_id: uuid.UUID) -> HttpResponse:
    """Send a new link; the old one is dead."""
    return _acted(
        request,
        lambda: invitations.invitation_resend(actor=actor_of(request), invitation_id=invitation_id),
        _("A new link is on its way; the one before is dead."),
        _members,
        "members:list",
    )


@require_POST
@requires("members.manage")
def invitation_revoke(request: HttpRequest, invitation_id: uuid.UUID) -> HttpResponse:
    """End an invitation."""
    return _acted(
        request,
        lambda: invitations.invitation_revoke(actor=actor_of(request), invitation_id=invitation_id),
        _("The invitation is revoked."),
        _members,
        "members:list",
    )


def _is_self(actor: Actor, member_id: uuid.UUID) -> bool:
    place = selectors.member_list(actor.tenant_id).filter(pk=member_id).first()
    return place is not None and str(place.user_id) == actor.id


def _id_in(request: HttpRequest, name: str) -> uuid.UUID:
    try:
        return uuid.UUID(request.POST.get(name, ""))
    except ValueError as error:
        raise Invalid(_("Choose a member out of the list."), code="member_missing") from error


def _acted(
    request: HttpRequest,
    act: Callable[[], object],
    said: str,
    page: Callable[[HttpRequest, DomainError | None], HttpResponse],
    route: str = "members:general",
) -> HttpResponse:
    """Act, say so and go to `route`; a refusal is shown on `page`, and nothing is kept.

    What is not there or not allowed is a page of its own, as everywhere.
    """
    try:
        with transaction.atomic():
            act()
    except (NotFound, Forbidden):
        raise
    except DomainError as refusal:
        return page(request, refusal)
    messages.success(request, said)
    return redirect(route) if route == "root" else redirect(route, tenant_of(request).slug)


def _over(invitation: Invitation, user: User | None) -> str:
    """Return why the link can't be used any more, or ''."""
    if invitation.status == states.ACCEPTED:
        return _("This invitation has been accepted. Sign in to get to the workspace.")
    if invitation.status == states.REVOKED:
        return _("This invitation was revoked. Ask for another one.")
    if invitation.status == states.EXPIRED:
        return _("This invitation has expired. Ask for another one.")
    if user is not None and user.email != invitation.email:
        return _(
            "This invitation is for %(invited)s, and you are signed in as %(mine)s."
            " Sign out, and open the link again."
        ) % {"invited": invitation.email, "mine": user.email}
    return ""


@never_cache
@require_http_methods(["GET", "POST"])
def invitation(request: HttpRequest, token: str) -> HttpResponse:
    """Show where the link leads; a POST takes the place."""
    found = selectors.invitation_find(token)
    user = request.user if isinstance(request.user, User) else None
    is_in = user is not None and found.tenant.memberships.filter(user=user).exists()
    if is_in:
        return redirect("web:home", found.tenant.slug)
    sentence = _over(found, user)
    if request.method == "POST" and not sentence:
        if user is None:
            return redirect("invitation", token)
        place = invitations.invitation_accept(user=user, token=token)
        return redirect("web:home", found.tenant.slug) if place else redirect("root")
    if not sentence and user is None:
        arrivals.remember(request, token)
    context = {
        "invitation": found,
        "workspace": found.tenant,
        "role_label": found.get_role_display().capitalize(),
        "role_sentence": SENTENCES[found.role],
        "over": sentence,
        "is_other": bool(user and user.email != found.email),
        "is_known": User.objects.filter(email=found.email).exists(),
        "here": reverse("invitation", args=[token]),
    }
    return render(request, "members/invitation.html", context, status=409 if sentence else 200)
