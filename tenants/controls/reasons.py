"""Why an operator acts: asked for each act, and read by the workspace."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from modelyard.core.errors import Invalid

REASON_LENGTH = (3, 300)


def reason_clean(text: str) -> str:
    """Return the reason on one line.

    Raises:
        Invalid: `reason_missing`, with how long it may be.
    """
    reason = " ".join(text.replace("\x00", "").split())
    least, most = REASON_LENGTH
    if not least <= len(reason) <= most:
        raise Invalid(
            _("Say why in %(least)d to %(most)d characters; the workspace reads it.")
            % {"least": least, "most": most},
            code="reason_missing",
        )
    return reason
