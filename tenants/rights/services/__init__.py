"""Writes: exports, deletions of workspaces and people, retention."""

from tenants.rights.services.retiring import audit_expire

__all__ = ["audit_expire"]
