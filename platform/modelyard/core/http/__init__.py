"""HTTP conventions: problem documents, pagination, idempotency, schema."""
