"""What the trail's names mean in plain words, and which page shows the thing.

One table for all apps: a test compares it with what they record.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

Words = str | Promise

ACTS: dict[str, tuple[str, Words]] = {
    "tenant.created": ("box", _("Workspace created")),
    "workspace.renamed": ("box", _("Workspace renamed")),
    "workspace.deletion_requested": ("trash-2", _("Deletion of the workspace requested")),
    "workspace.deletion_cancelled": ("trash-2", _("Deletion of the workspace called off")),
    "workspace.deletion_started": ("trash-2", _("Deletion of the workspace started")),
    "tenant.suspended": ("ban", _("Workspace suspended by Modelyard staff")),
    "tenant.resumed": ("circle-check", _("Workspace opened again by Modelyard staff")),
    "limit.overridden": ("settings", _("Limit changed by Modelyard staff")),
    "limit.override_ended": ("settings", _("Limit of the plan counts again")),
    "flag.enabled": ("circle-check", _("Feature turned on by Modelyard staff")),
    "flag.disabled": ("circle-x", _("Feature turned off by Modelyard staff")),
    "staff.session_made": ("eye", _("Support session prepared")),
    "staff.session_started": ("eye", _("Support session started")),
    "staff.session_ended": ("eye", _("Support session ended")),
    "staff.viewed": ("eye", _("Page viewed by support")),
    "staff.acted": ("activity", _("Change made by support")),
    "retention.changed": ("settings", _("Retention changed")),
    "ownership.transferred": ("users", _("Ownership handed over")),
    "member.joined": ("users", _("Member joined")),
    "member.left": ("users", _("Member left")),
    "member.removed": ("users", _("Member removed")),
    "member.role_changed": ("users", _("Role changed")),
    "member.account_deleted": ("users", _("Member deleted their account")),
    "invitation.created": ("mail", _("Invitation sent")),
    "invitation.resent": ("mail", _("Invitation sent again")),
    "invitation.revoked": ("mail", _("Invitation revoked")),
    "key.created": ("key-round", _("API key created")),
    "key.changed": ("key-round", _("API key changed")),
    "key.rotated": ("key-round", _("API key rotated")),
    "key.revoked": ("key-round", _("API key revoked")),
    "dataset.created": ("database", _("Dataset created")),
    "dataset.deleting": ("trash-2", _("Dataset deleted")),
    "deletion.done": ("trash-2", _("Dataset taken apart")),
    "deletion.failed": ("circle-x", _("Dataset not taken apart wholly")),
    "deletion.retried": ("trash-2", _("Taking a dataset apart again")),
    "upload.started": ("cloud-upload", _("Upload started")),
    "upload.received": ("cloud-upload", _("File uploaded")),
    "upload.verifying": ("cloud-upload", _("File is being checked")),
    "upload.mapping": ("cloud-upload", _("File checked")),
    "upload.reread": ("cloud-upload", _("File read another way")),
    "upload.mapped": ("cloud-upload", _("Columns chosen")),
    "upload.done": ("cloud-upload", _("File imported")),
    "upload.rejected": ("circle-x", _("File not imported")),
    "upload.abandoned": ("circle-x", _("Import stopped")),
    "datasetexport.ordered": ("download", _("Export of rows started")),
    "datasetexport.done": ("download", _("Rows exported")),
    "datasetexport.failed": ("circle-x", _("Rows not exported")),
    "datasetexport.cancelled": ("circle-x", _("Export of rows cancelled")),
    "check.ordered": ("search", _("Health checks started")),
    "check.failed": ("circle-x", _("Health check failed")),
    "check.cancelled": ("circle-x", _("Health check cancelled")),
    "change.ordered": ("tags", _("Change of rows started")),
    "change.done": ("tags", _("Rows changed")),
    "change.failed": ("circle-x", _("Rows not changed")),
    "change.cancelled": ("circle-x", _("Change of rows cancelled")),
    "change.undoing": ("undo-2", _("Undoing a change of rows")),
    "change.undone": ("undo-2", _("Change of rows undone")),
    "map.ordered": ("search", _("Map of rows started")),
    "map.done": ("search", _("Map of rows made")),
    "map.failed": ("circle-x", _("Map of rows not made")),
    "map.cancelled": ("circle-x", _("Map of rows cancelled")),
    "searchindex.failed": ("circle-x", _("Rows not made searchable")),
    "rows.added": ("cloud-upload", _("Rows added by the API")),
    "connector.created": ("refresh-cw", _("Connector made")),
    "connector.changed": ("refresh-cw", _("Connector changed")),
    "connector.deleted": ("trash-2", _("Connector removed")),
    "pull.ordered": ("cloud-upload", _("Pull started")),
    "pull.done": ("cloud-upload", _("Pull done")),
    "pull.failed": ("circle-x", _("Pull failed")),
    "pull.cancelled": ("circle-x", _("Pull cancelled")),
    "version.freezing": ("snowflake", _("Freezing started")),
    "version.frozen": ("database", _("Dataset version frozen")),
    "version.failed": ("circle-x", _("Freezing failed")),
    "version.cancelled": ("circle-x", _("Freezing stopped")),
    "version.described": ("pencil", _("Data card edited")),
    "version.deleting": ("trash-2", _("Dataset version is being deleted")),
    "version.deleted": ("trash-2", _("Dataset version deleted")),
    "comparison.ordered": ("eye", _("Versions compared")),
    "comparison.done": ("eye", _("Comparison done")),
    "comparison.failed": ("circle-x", _("Comparison failed")),
    "words.changed": ("pencil", _("Word list changed")),
    "project.created": ("tags", _("Labelling project created")),
    "project.open": ("tags", _("Labelling project opened")),
    "project.closed": ("tags", _("Labelling project closed")),
    "project.frozen": ("tags", _("Labels frozen")),
    "project.suggestions": ("tags", _("Label suggestions chosen")),
    "project.skipped_reopened": ("tags", _("Skipped rows put back")),
    "gain.ordered": ("play", _("Measuring the gain of augmentation started")),
    "gain.done": ("circle-check", _("Gain of augmentation measured")),
    "gain.failed": ("circle-x", _("Gain of augmentation not measured")),
    "gain.cancelled": ("circle-x", _("Measuring the gain of augmentation stopped")),
    "run.submitted": ("play", _("Run started")),
    "run.cancelled": ("circle-x", _("Run cancelled")),
    "run.retried": ("play", _("Run tried again")),
    "model_version.registered": ("box", _("Model version registered")),
    "model_version.archived": ("box", _("Model version archived")),
    "model_version.broken": ("circle-x", _("Model version found broken")),
    "deployment.created": ("rocket", _("Deployment created")),
    "deployment.live": ("rocket", _("Deployment serves")),
    "deployment.failed": ("rocket", _("Deployment failed")),
    "deployment.stopped": ("rocket", _("Deployment stopped")),
    "billing.checkout_opened": ("credit-card", _("Payment page opened")),
    "billing.portal_opened": ("credit-card", _("Billing portal opened")),
    "plan.changed": ("credit-card", _("Plan changed")),
    "audit.retired": ("clock", _("Old audit events removed, as Settings say")),
    "audit.exported": ("download", _("Audit log downloaded")),
    "export.requested": ("download", _("Export of all data requested")),
    "export.ready": ("download", _("Export of all data ready")),
    "export.failed": ("circle-x", _("Export of all data failed")),
    "export.cancelled": ("circle-x", _("Export of all data cancelled")),
    "export.downloaded": ("download", _("Export of all data downloaded")),
    "export.expired": ("clock", _("Export of all data expired")),
    "run.requeued": ("play", _("Run put back in the queue")),
    "ops.run_requeued": ("play", _("Run put back in the queue by Modelyard staff")),
    "ops.run_cancelled": ("circle-x", _("Run cancelled by Modelyard staff")),
}
"""Action -> icon and words; an action that is not here is shown by its name."""

GROUPS: dict[str, Words] = {
    "tenant": _("Workspace"),
    "workspace": _("Workspace"),
    "retention": _("Workspace"),
    "ownership": _("Members"),
    "member": _("Members"),
    "invitation": _("Invitations"),
    "key": _("API keys"),
    "dataset": _("Datasets"),
    "upload": _("Imports"),
    "datasetexport": _("Exports of rows"),
    "change": _("Changes of rows"),
    "check": _("Health checks"),
    "map": _("Maps of rows"),
    "searchindex": _("Search"),
    "rows": _("Imports"),
    "connector": _("Connectors"),
    "pull": _("Connectors"),
    "deletion": _("Deletions of datasets"),
    "version": _("Dataset versions"),
    "comparison": _("Dataset versions"),
    "words": _("Datasets"),
    "gain": _("Gain of augmentation"),
    "project": _("Labelling"),
    "run": _("Runs"),
    "model_version": _("Models"),
    "deployment": _("Deployments"),
    "plan": _("Billing"),
    "billing": _("Billing"),
    "audit": _("Audit log"),
    "export": _("Data export"),
    "limit": _("Billing"),
    "flag": _("Features"),
    "staff": _("Modelyard support"),
    "ops": _("Modelyard staff"),
}
"""First word of an action -> heading in the filter."""

ACTORS: dict[str, Words] = {
    "key": _("an API key"),
    "user": _("a former member"),
    "system": _("automatic"),
    "staff": _("Modelyard staff"),
}
"""Kind of an actor without a name -> who that is."""

OBJECTS: dict[str, Words] = {
    "tenant": _("workspace"),
    "membership": _("member"),
    "invitation": _("invitation"),
    "apikey": _("API key"),
    "dataset": _("dataset"),
    "upload": _("import"),
    "datasetexport": _("export of rows"),
    "change": _("change of rows"),
    "check": _("health check"),
    "map": _("map of rows"),
    "connector": _("connector"),
    "pull": _("pull"),
    "datasetversion": _("dataset version"),
    "project": _("labelling project"),
    "run": _("run"),
    "modelversion": _("model version"),
    "deployment": _("deployment"),
    "account": _("billing account"),
    "export": _("export of all data"),
    "deletion": _("deletion"),
    "retention": _("retention"),
    "limitoverride": _("limit"),
    "flag": _("feature"),
    "staffsession": _("support session"),
}
"""Kind of a thing -> its noun; a kind that is not here is shown by its name."""


def _by_id(object_id: str, _facts: Mapping[str, Any]) -> str:
    return object_id


def _by_name(_object_id: str, facts: Mapping[str, Any]) -> str:
    return str(facts.get("name", ""))


def _of_all(_object_id: str, _facts: Mapping[str, Any]) -> None:
    return None


PAGES: dict[str, tuple[str, Callable[[str, Mapping[str, Any]], str | None]]] = {
    "tenant": ("members:general", _of_all),
    "membership": ("members:list", _of_all),
    "invitation": ("members:list", _of_all),
    "apikey": ("keys:detail", _by_id),
    "dataset": ("datasets:detail", _by_id),
    "project": ("labeling:detail", _by_id),
    "run": ("runs:detail", _by_id),
    "deployment": ("deployments:detail", _by_name),
    "account": ("usage:index", _of_all),
    "export": ("rights:index", _of_all),
    "deletion": ("rights:index", _of_all),
    "retention": ("rights:index", _of_all),
}
"""Kind of a thing -> route of the page that shows it, and what that takes besides the slug.

'' is "the event does not say", None is "nothing".
"""


def act(action: str) -> tuple[str, str]:
    """Return icon and words of an action."""
    icon, words = ACTS.get(action, ("activity", action))
    return icon, str(words)
