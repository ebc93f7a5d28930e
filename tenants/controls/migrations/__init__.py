"""Migrations of the controls."""
