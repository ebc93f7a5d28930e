"""The audit trail: seals over its rows, the proof, and the pages that show it."""
