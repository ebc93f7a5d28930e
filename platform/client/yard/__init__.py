"""The customer's command and the parts it is made of; imports nothing of the platform."""

__version__ = "0.1.0"
