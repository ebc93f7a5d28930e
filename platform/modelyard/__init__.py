"""Modelyard: the composition root, the tenant-free core, the shell and the console."""
