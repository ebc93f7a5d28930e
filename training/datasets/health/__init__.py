"""What can be wrong with the rows of a dataset: one module a question, pure."""
