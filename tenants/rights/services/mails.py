"""Mails about deletions, each sent by a task from what stands in the row."""

from __future__ import annotations

import json
import uuid
from email.mime.application import MIMEApplication

from django.conf import settings
from django.core.mail import EmailMessage
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from tenants.rights.models import Deletion
from tenants.scoping.context import ops_scope


def _row(deletion_id: uuid.UUID) -> Deletion | None:
    with ops_scope("rights.mail"):
        return Deletion.objects.filter(pk=deletion_id).exclude(recipients=[]).first()


def _send(row: Deletion, subject: str, body: str, *files: MIMEApplication) -> None:
    # One mail a person: nobody learns the others' addresses from it.
    for address in row.recipients:
        message = EmailMessage(subject, body, to=[address])
        for file in files:
            message.attach(file)
        message.send()


def scheduled_mail(*, deletion_id: uuid.UUID) -> None:
    """Tell the owners when their workspace goes, and how to stop it."""
    row = _row(deletion_id)
    if row is None or row.status != Deletion.Status.SCHEDULED:
        return
    facts = {
        "name": row.subject_name,
        "date": date_format(row.due_at, "DATETIME_FORMAT"),
        "url": settings.SITE_URL,
    }
    _send(
        row,
        _("The workspace %(name)s will be deleted") % facts,
        _(
            "An owner asked to delete the workspace %(name)s.\n\n"
            "Everything in it will be removed for good after %(date)s UTC: datasets, labels,"
            " models, deployments, keys and the audit log. Until then it works as before.\n\n"
            "To keep it, cancel the deletion under Settings, Data:\n%(url)s\n\n"
            "There you can also export everything first."
        )
        % facts,
    )


def cancelled_mail(*, deletion_id: uuid.UUID) -> None:
    """Tell the owners that their workspace stays."""
    row = _row(deletion_id)
    if row is None or row.status != Deletion.Status.CANCELLED:
        return
    facts = {"name": row.subject_name}
    _send(
        row,
        _("The workspace %(name)s stays") % facts,
        _("An owner cancelled the deletion of the workspace %(name)s. Nothing was removed.")
        % facts,
    )
    _blank(row)


def certificate_mail(*, deletion_id: uuid.UUID) -> None:
    """Send the certificate, then forget to whom: the row holds no personal data from here on."""
    row = _row(deletion_id)
    if row is None or row.status != Deletion.Status.DONE:
        return
    facts = {
        "name": row.subject_name,
        "url": settings.SITE_URL + reverse("certificate", args=[row.pk]),
        "key": settings.SITE_URL + reverse("certificate-key"),
    }
    if row.kind == Deletion.Kind.TENANT:
        subject = _("The workspace %(name)s is deleted") % facts
        first = _("The workspace %(name)s and everything in it is deleted.") % facts
    else:
        subject = _("Your Modelyard account is deleted")
        first = _("Your account is deleted, with your name, address, sign-ins and memberships.")
    body = _(
        "%(first)s\n\nThe signed certificate is attached. You can download it again, and the key"
        " to check it, from:\n%(url)s\n%(key)s\n\nBackups that still hold copies are overwritten"
        " within 35 days."
    ) % {**facts, "first": first}
    text = json.dumps(row.certificate, indent=2, ensure_ascii=False).encode()
    file = MIMEApplication(text, "json")
    file.add_header("Content-Disposition", "attachment", filename="deletion-certificate.json")
    _send(row, subject, body, file)
    _blank(row)


def _blank(row: Deletion) -> None:
    with ops_scope("rights.mail"):
        Deletion.objects.filter(pk=row.pk).update(recipients=[], subject_name="", requested_by=None)
