"""The joins between models and data: a deployed model suggests labels."""
