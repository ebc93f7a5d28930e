"""What the API of datasets takes and gives, a file a noun."""
