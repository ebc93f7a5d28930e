"""API of datasets, a file a noun."""
