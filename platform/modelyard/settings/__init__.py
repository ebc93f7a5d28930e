"""Settings, driven by the environment: base, dev, test, prod."""
