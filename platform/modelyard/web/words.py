"""The word and the mark that a page shows for each state.

One table for all nouns: a state's name means the same thing wherever it occurs.
"""

from django.utils.translation import gettext_lazy as _

# state -> (mark of `.y-status`, word). The mark is never the only sign: the word stands beside it.
STATES = {
    # uploads and dataset versions
    "receiving": ("run", _("Uploading")),
    "verifying": ("run", _("Checking the file")),
    "mapping": ("warn", _("Waiting for you")),
    "importing": ("run", _("Importing")),
    "done": ("ok", _("Imported")),
    "rejected": ("err", _("Rejected")),
    "abandoned": ("", _("Abandoned")),
    "draft": ("", _("Draft")),
    "freezing": ("run", _("Freezing")),
    "frozen": ("ok", _("Frozen")),
    "deleting": ("run", _("Deleting")),
    "deleted": ("", _("Deleted")),
    # labelling projects and tasks
    "open": ("run", _("Open")),
    "closed": ("", _("Closed")),
    # runs
    "queued": ("", _("Queued")),
    "starting": ("run", _("Loading")),
    "running": ("run", _("Training")),
    "saving": ("run", _("Packaging")),
    "succeeded": ("ok", _("Finished")),
    "failed": ("err", _("Failed")),
    "cancelling": ("warn", _("Cancelling")),
    "cancelled": ("", _("Cancelled")),
    # model versions
    "uploading": ("run", _("Storing")),
    "verified": ("ok", _("Verified")),
    "archived": ("", _("Archived")),
    "broken": ("err", _("Broken")),
    # deployments
    "pending": ("run", _("Starting")),
    "loading": ("run", _("Loading")),
    "live": ("ok", _("Serving")),
    "draining": ("warn", _("Draining")),
    "stopped": ("", _("Stopped")),
    "suspended": ("warn", _("Suspended")),
    # exports
    "ready": ("ok", _("Ready")),
    # API keys
    "active": ("ok", _("Active")),
    "revoked": ("", _("Revoked")),
    "expired": ("warn", _("Expired")),
}
