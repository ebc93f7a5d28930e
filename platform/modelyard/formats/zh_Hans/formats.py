"""Simplified Chinese: numbers in groups of three, as finance and software write them.

Django groups by four with an empty separator, which leaves 1284310 unreadable.
"""

THOUSAND_SEPARATOR = ","
NUMBER_GROUPING = 3
