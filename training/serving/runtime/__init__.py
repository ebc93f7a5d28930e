"""The model server: streams, texts and folders; no Django, no Celery, no S3."""
