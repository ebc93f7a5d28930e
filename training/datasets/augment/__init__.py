"""Augmentation: more training rows made from those that are there. Pure, deterministic by seed."""
