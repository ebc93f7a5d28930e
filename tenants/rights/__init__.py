"""Data rights: export, deletion with a certificate, retention."""
