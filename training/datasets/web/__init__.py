"""Pages of datasets, a file a noun."""
