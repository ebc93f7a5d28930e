"""`modelyard doctor`: looks at every part that the platform stands on and says what is wrong."""
