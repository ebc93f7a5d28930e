"""API of people and invitations: for members who are signed in; keys manage nobody."""

from __future__ import annotations

import uuid

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from modelyard.core.http.pagination import Pages
from modelyard.core.http.serializers import BodySerializer
from tenants.api_base import TenantApiView
from tenants.http import actor_of, plain, tenant_of
from tenants.identity.fresh import require_fresh
from tenants.members import selectors, states
from tenants.members.services import invitations, people
from tenants.models import Role


class MemberOut(serializers.Serializer[object]):
    """A person's place in the workspace."""

    id = serializers.UUIDField()
    email = serializers.EmailField(source="user.email")
    name = serializers.CharField(source="user.name")
    role = serializers.ChoiceField(choices=Role.values)
    joined_at = serializers.DateTimeField(source="created_at")
    last_sign_in_at = serializers.DateTimeField(source="user.last_login", allow_null=True)


class MemberIn(BodySerializer):
    """What a place shall become."""

    role = serializers.ChoiceField(choices=Role.values)


class InvitationOut(serializers.Serializer[object]):
    """An invitation; the link's token is in the mail and nowhere else."""

    id = serializers.UUIDField()
    email = serializers.EmailField()
    role = serializers.ChoiceField(choices=Role.values)
    status = serializers.ChoiceField(choices=list(states.STATUSES))
    created_at = serializers.DateTimeField()
    sent_at = serializers.DateTimeField(allow_null=True)
    expires_at = serializers.DateTimeField()


class InvitationIn(BodySerializer):
    """Whom to invite as what."""

    email = serializers.EmailField(max_length=invitations.EMAIL_LENGTH)
    role = serializers.ChoiceField(choices=Role.values)


class MemberList(TenantApiView):
    """The workspace's people."""

    permissions = {"GET": "members.read"}

    @extend_schema(
        operation_id="members_list", responses=MemberOut(many=True), summary="List members"
    )
    def get(self, request: Request) -> Response:
        """Return a page of members, in the order in which they came."""
        pages = Pages()
        places = selectors.member_list(tenant_of(request).pk)
        rows = pages.paginate_queryset(places, request, view=self)
        return pages.get_paginated_response(MemberOut(rows, many=True).data)


class MemberDetail(TenantApiView):
    """One member."""

    permissions = {"GET": "members.read", "PATCH": "members.manage", "DELETE": "members.manage"}

    @extend_schema(operation_id="members_get", responses=MemberOut, summary="Get a member")
    def get(self, request: Request, member_id: uuid.UUID) -> Response:
        """Return the member."""
        return Response(MemberOut(selectors.member_get(tenant_of(request).pk, member_id)).data)

    @extend_schema(
        operation_id="members_change",
        request=MemberIn,
        responses=MemberOut,
        summary="Change a member's role",
    )
    def patch(self, request: Request, member_id: uuid.UUID) -> Response:
        """Give the member another role."""
        given = MemberIn(data=request.data)
        given.is_valid(raise_exception=True)
        role = given.validated_data["role"]
        _require_fresh_for(request, role, selectors.role_of(tenant_of(request).pk, member_id))
        place = people.member_set_role(actor=actor_of(request), member_id=member_id, role=role)
        return Response(MemberOut(place).data)

    @extend_schema(operation_id="members_remove", responses={204: None}, summary="Remove a member")
    def delete(self, request: Request, member_id: uuid.UUID) -> Response:
        """Take the member out; what they made stays."""
        _require_fresh_for(request, selectors.role_of(tenant_of(request).pk, member_id))
        people.member_remove(actor=actor_of(request), member_id=member_id)
        return Response(status=204)


class InvitationList(TenantApiView):
    """The invitations that wait or have expired."""

    permissions = {"GET": "members.manage", "POST": "members.manage"}

    @extend_schema(
        operation_id="invitations_list",
        responses=InvitationOut(many=True),
        summary="List invitations",
    )
    def get(self, request: Request) -> Response:
        """Return a page of invitations, newest first."""
        pages = Pages()
        rows = pages.paginate_queryset(
            selectors.invitation_list(tenant_of(request).pk), request, view=self
        )
        return pages.get_paginated_response(InvitationOut(rows, many=True).data)

    @extend_schema(
        operation_id="invitations_create",
        request=InvitationIn,
        responses={201: InvitationOut},
        summary="Invite an address",
    )
    def post(self, request: Request) -> Response:
        """Invite; a mail with the link follows."""
        given = InvitationIn(data=request.data)
        given.is_valid(raise_exception=True)
        _require_fresh_for(request, given.validated_data["role"])
        made = invitations.invitation_create(actor=actor_of(request), **given.validated_data)
        return Response(InvitationOut(made).data, status=201)


class InvitationDetail(TenantApiView):
    """One invitation."""

    permissions = {"GET": "members.manage", "DELETE": "members.manage"}

    @extend_schema(
        operation_id="invitations_get", responses=InvitationOut, summary="Get an invitation"
    )
    def get(self, request: Request, invitation_id: uuid.UUID) -> Response:
        """Return the invitation."""
        found = selectors.invitation_get(tenant_of(request).pk, invitation_id)
        return Response(InvitationOut(found).data)

    @extend_schema(
        operation_id="invitations_revoke",
        responses={200: InvitationOut},
        summary="Revoke an invitation",
    )
    def delete(self, request: Request, invitation_id: uuid.UUID) -> Response:
        """Revoke it: the link is dead, the seat free."""
        ended = invitations.invitation_revoke(actor=actor_of(request), invitation_id=invitation_id)
        return Response(InvitationOut(ended).data)


class InvitationResend(TenantApiView):
    """Another mail for an invitation."""

    permissions = {"POST": "members.manage"}

    @extend_schema(
        operation_id="invitations_resend",
        request=None,
        responses=InvitationOut,
        summary="Send an invitation again",
    )
    def post(self, request: Request, invitation_id: uuid.UUID) -> Response:
        """Send a new link, good for 7 days; the old one is dead."""
        sent = invitations.invitation_resend(actor=actor_of(request), invitation_id=invitation_id)
        return Response(InvitationOut(sent).data)


def _require_fresh_for(request: Request, *roles: str) -> None:
    """Ask for a fresh sign-in before somebody becomes an owner, or ceases to be one."""
    if Role.OWNER in roles:
        require_fresh(plain(request))
