"""Writes of the controls, by area; each act of an operator leaves one line with its reason."""
