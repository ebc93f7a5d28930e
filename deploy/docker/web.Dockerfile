# The web image: site, console, scheduler, imports and migrations. No torch, no model library.
# Built from the top of the checkout:
#   docker build -f deploy/docker/web.Dockerfile -t modelyard-web .
FROM python:3.11-slim-trixie AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN pip install hatchling==1.33.0 && python -m venv /opt/venv
WORKDIR /src
COPY deploy/docker/requirements-web.lock ./
RUN /opt/venv/bin/pip install --no-deps --require-hashes -r requirements-web.lock
COPY . ./
RUN pip wheel --no-deps --no-build-isolation --wheel-dir /wheels . \
    && /opt/venv/bin/pip install --no-deps /wheels/*.whl
# The settings demand secrets even for this; these exist for two commands only. input.css is
# what app.css is compiled from.
RUN export SECRET_KEY=build API_KEY_PEPPER=build DATABASE_URL=postgres://build/build \
        BROKER_URL=redis://build S3_ACCESS_KEY=build S3_SECRET_KEY=build SITE_URL=http://localhost \
    && DJANGO_SETTINGS_MODULE=modelyard.settings.prod STATIC_ROOT=/srv/static \
        /opt/venv/bin/modelyard collectstatic --no-input --ignore input.css \
    && DJANGO_SETTINGS_MODULE=modelyard.settings.ops STATIC_ROOT=/srv/static-ops \
        /opt/venv/bin/modelyard collectstatic --no-input --ignore input.css

FROM python:3.11-slim-trixie
RUN groupadd --gid 10001 modelyard \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/modelyard modelyard \
    && install -d -o 10001 -g 10001 -m 0750 /var/lib/modelyard /var/lib/modelyard/tmp
COPY --from=build /opt/venv /opt/venv
COPY --from=build /srv /srv
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    DJANGO_SETTINGS_MODULE=modelyard.settings.prod \
    MODELYARD_STATE=/var/lib/modelyard STATIC_ROOT=/srv/static
WORKDIR /var/lib/modelyard
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=10s --start-period=60s --retries=3 \
    CMD ["python", "-m", "modelyard.launch.health", "web", "8000"]
CMD ["python", "-m", "uvicorn", "modelyard.asgi:application", "--host", "0.0.0.0", "--port", "8000", "--no-access-log", "--log-level", "warning", "--timeout-graceful-shutdown", "10"]
