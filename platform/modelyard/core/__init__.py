"""What every app stands on; knows none of our other packages and no tenant tables."""
