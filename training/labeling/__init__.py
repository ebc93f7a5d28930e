"""Labelling: projects over a dataset, a queue with leases, answers, a frozen version of them."""
