"""Migrations of the console: what PostgreSQL itself refuses."""
