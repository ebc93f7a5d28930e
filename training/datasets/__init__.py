"""Uploads, imports with row-level errors, and immutable, content-hashed dataset versions."""
