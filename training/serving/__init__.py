"""Deployments and predictions, from the door to the ledger."""
