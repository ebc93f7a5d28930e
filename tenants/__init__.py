"""Who: people, tenants (shown as "workspaces"), memberships, API keys, the audit trail."""
