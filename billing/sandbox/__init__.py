"""A stateful stand-in for Stripe's API, for development, the demo and the tests.

A program of its own (`python -m billing.sandbox`): the standard library only, nothing of ours is
imported and nothing of ours imports it, so that the platform meets it as it meets Stripe, over
HTTP. No money moves.
"""
