"""The bins of the histograms of lengths. Pure."""

from __future__ import annotations

EDGES = (8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096)
"""Upper ends of the bins, inclusive; the last bin is open."""
