# The worker image for processors: trains and serves models with the CPU build of torch.
# Built from the top of the checkout:
#   docker build -f deploy/docker/worker-cpu.Dockerfile -t modelyard-worker-cpu .
FROM python:3.11-slim-trixie AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN pip install hatchling==1.33.0 && python -m venv /opt/venv
WORKDIR /src
# By itself and first: the largest layer, and the only package that comes from torch's own index.
# The index that carries the build of torch without CUDA, given as --build-arg.
ARG TORCH_INDEX
RUN /opt/venv/bin/pip install --no-deps --index-url "$TORCH_INDEX" torch==2.13.0
COPY deploy/docker/requirements-worker.lock ./
RUN /opt/venv/bin/pip install --no-deps --require-hashes -r requirements-worker.lock
COPY . ./
RUN pip wheel --no-deps --no-build-isolation --wheel-dir /wheels . \
    && /opt/venv/bin/pip install --no-deps /wheels/*.whl

FROM python:3.11-slim-trixie
RUN groupadd --gid 10001 modelyard \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/modelyard modelyard \
    && install -d -o 10001 -g 10001 -m 0750 /var/lib/modelyard /var/lib/modelyard/tmp
COPY --from=build /opt/venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    DJANGO_SETTINGS_MODULE=modelyard.settings.prod \
    MODELYARD_STATE=/var/lib/modelyard MODELYARD_READY_FILE=/tmp/worker.ready
WORKDIR /var/lib/modelyard
USER 10001:10001
HEALTHCHECK --interval=15s --timeout=10s --start-period=60s --retries=3 \
    CMD ["python", "-m", "modelyard.launch.health", "worker"]
CMD ["python", "-m", "celery", "-A", "modelyard", "worker", "--loglevel", "INFO", "--without-gossip", "--without-mingle", "-Q", "training", "-P", "threads", "-c", "1"]
