"""Writes: people's places, invitations, the workspace itself."""
