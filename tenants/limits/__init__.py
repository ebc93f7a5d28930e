"""Limits of the API: how often, and how much at once, a workspace and each of its callers may."""
