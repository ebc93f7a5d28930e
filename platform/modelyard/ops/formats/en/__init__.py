"""Times of the console."""
