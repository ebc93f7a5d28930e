"""The operators' console, served by a process of its own on the ops database login."""
