"""The joins between models and data: suggested labels, and what augmented rows are worth."""
