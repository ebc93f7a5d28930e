"""The three walls between tenants: scoped manager, row-level security, composite keys."""
