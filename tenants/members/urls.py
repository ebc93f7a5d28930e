"""Addresses of a workspace's general settings, its people and their invitations."""

from __future__ import annotations

from django.urls import URLPattern, path

from tenants.members import api as views
from tenants.members import web

public: list[URLPattern] = [
    path("invitations/<str:token>", web.invitation, name="invitation"),
]
_MEMBER = "settings/members/<uuid:member_id>"
_INVITATION = "settings/invitations/<uuid:invitation_id>"
pages: list[URLPattern] = [
    path("settings/", web.general, name="general"),
    path("settings/transfer", web.transfer, name="transfer"),
    path("settings/leave", web.leave, name="leave"),
    path("settings/members/", web.member_list, name="list"),
    path("settings/invitations/", web.invite, name="invite"),
    path(f"{_MEMBER}/role", web.member_role, name="role"),
    path(f"{_MEMBER}/remove", web.member_remove, name="remove"),
    path(f"{_INVITATION}/resend", web.invitation_resend, name="resend"),
    path(f"{_INVITATION}/revoke", web.invitation_revoke, name="revoke"),
]
api: list[URLPattern] = [
    path("members", views.MemberList.as_view(), name="members"),
    path("members/<uuid:member_id>", views.MemberDetail.as_view(), name="member"),
    path("invitations", views.InvitationList.as_view(), name="invitations"),
    path("invitations/<uuid:invitation_id>", views.InvitationDetail.as_view(), name="invitation"),
    path(
        "invitations/<uuid:invitation_id>/resend",
        views.InvitationResend.as_view(),
        name="invitation-resend",
    ),
]
