"""What the pages of datasets show, a file a noun; no request is known here."""
