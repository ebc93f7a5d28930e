"""Where a language writes dates and numbers otherwise than Django's own data says."""
