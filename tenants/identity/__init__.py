"""People: how they sign in, their second factors and devices; built on django-allauth."""
