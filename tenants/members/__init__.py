"""People of a workspace: roles, invitations, ownership."""
