"""Commands of data rights."""
