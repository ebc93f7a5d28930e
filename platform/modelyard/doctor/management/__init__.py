"""Commands of the doctor."""
