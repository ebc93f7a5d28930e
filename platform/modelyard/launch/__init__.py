"""How the platform is started: which processes, in which order, on which logins.

Like the embedded stack it loads no Django: each process reads its own settings.
"""
