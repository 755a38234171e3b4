ARG PYTHON_VERSION=3.13
# By digest, it is the same one tomorrow: --build-arg BASE=python@sha256:…
ARG BASE=python:${PYTHON_VERSION}-slim-bookworm
# The lock that the image has: serve, serve-gpu with CUDA (docs/gpu.md), otel for traces, or storage (docs/delivery.md).
ARG LOCK=serve

FROM ${BASE} AS build
ARG LOCK
WORKDIR /build
COPY requirements/${LOCK}.txt requirements/build.txt requirements/
RUN python -m venv --without-pip /opt/softmaxd \
 && python -m venv --without-pip /opt/build \
 && pip --python /opt/softmaxd/bin/python install --no-cache-dir --require-hashes -r requirements/${LOCK}.txt \
 && pip --python /opt/build/bin/python install --no-cache-dir --require-hashes -r requirements/build.txt
COPY pyproject.toml README.md LICENSE ./
COPY service service
COPY training training
RUN /opt/build/bin/python -c "from setuptools.build_meta import build_wheel; build_wheel('.')" \
 && pip --python /opt/softmaxd/bin/python install --no-cache-dir --no-deps --no-index ./*.whl

FROM ${BASE}
ARG BASE
ARG REVISION=""
LABEL org.opencontainers.image.title="softmaxd" \
      org.opencontainers.image.description="A small, strict and fast inference service for softmax classifiers" \
      org.opencontainers.image.version="0.2.0" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="${BASE}"
COPY --from=build /opt/softmaxd /opt/softmaxd
ENV PATH=/opt/softmaxd/bin:$PATH \
    ORT_DISABLE_TELEMETRY=1 \
    SOFTMAXD_HOST=0.0.0.0
# The base image has no bytecode, and the container can write none: every start would compile its imports again.
RUN python -c "import encodings.idna, softmaxd.cli.main, softmaxd.logs, softmaxd.server"
WORKDIR /srv
COPY models models
COPY deploy/docker/softmaxd-healthcheck /usr/local/bin/
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM
# A service that does not answer for a minute, as on a machine without time for it, stays healthy: 4 × (5 + 20) s.
HEALTHCHECK --interval=5s --timeout=20s --retries=4 --start-period=60s CMD ["softmaxd-healthcheck"]
ENTRYPOINT ["softmaxd"]
CMD ["serve"]
