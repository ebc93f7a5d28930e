"""Plans, entitlements and the append-only ledger of use; knows nothing of training."""
