"""The machine-learning engine: local files in, one verified folder out.

Pure: no Django, no Celery, no S3, no network. Importing the package is cheap; torch and
transformers are loaded by the modules that compute (`train`, `model`, `encoding`, `predict`).
"""
