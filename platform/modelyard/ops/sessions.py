"""Sessions of the console: in the same table as the site's, and never valid there.

The data is signed with a salt of its own, so that a session of the site opens nothing here,
and one of the console nothing there.
"""

from __future__ import annotations

from django.contrib.sessions.backends import db


class SessionStore(db.SessionStore):
    """Database sessions under the console's own salt."""

    @property
    def key_salt(self) -> str:
        """Return the salt of the signature."""
        return "modelyard.ops.sessions"
