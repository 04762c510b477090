# The operator as an image; `make image` builds it with buildah, podman or docker.
# It is built on its own base, so that the environment built in the first finds its interpreter in the second.
# A release gives BASE_IMAGE by digest. The base needs Python 3.11 or newer as `python3`, with venv and certificates.
ARG BASE_IMAGE=python:3.13-slim

FROM ${BASE_IMAGE} AS build
# The same uv as in the Makefile, and like everything that comes after it: only with the hash that the lock file says.
COPY requirements/uv.txt /opt/uv/
RUN python3 -m venv /opt/uv && /opt/uv/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r /opt/uv/uv.txt
ENV UV_LINK_MODE=copy \
    UV_NO_BUILD=1 \
    UV_NO_CACHE=1 \
    UV_PYTHON=python3 \
    UV_PYTHON_DOWNLOADS=never \
    UV_SYSTEM_CERTS=1
WORKDIR /src
# What is locked changes more rarely than the code: a layer of its own.
COPY pyproject.toml uv.lock ./
RUN UV_PROJECT_ENVIRONMENT=/opt/build /opt/uv/bin/uv sync --locked --only-group build \
    && UV_PROJECT_ENVIRONMENT=/opt/atlas-endpoints /opt/uv/bin/uv sync --locked --no-dev --extra plan --extra tracing --no-install-project
COPY README.md LICENSE ./
COPY crds crds
COPY operator operator
# A wheel, made by a builder that is locked too; uv would note beside it when that was.
RUN /opt/build/bin/hatchling build --target wheel --directory /opt/dist \
    && /opt/uv/bin/uv pip install --python /opt/atlas-endpoints --no-deps --offline /opt/dist/*.whl \
    && information=$(echo /opt/atlas-endpoints/lib/python3*/site-packages/atlas_endpoints-*.dist-info) \
    && sed -i '/uv_cache.json/d; /direct_url.json/d' "$information/RECORD" \
    && rm -f "$information/uv_cache.json" "$information/direct_url.json" /opt/atlas-endpoints/.lock
# The root file system of the Pod is read-only, so bytecode that is missing or seems old would be compiled at each start. It is
# not compared with the time of its source, since reproducible layers have other times; and it is the same each time when one
# process compiles all, in order.
RUN PYTHONHASHSEED=0 /opt/atlas-endpoints/bin/python -m compileall -q -j 1 --invalidation-mode unchecked-hash /opt/atlas-endpoints/lib

FROM ${BASE_IMAGE} AS runtime
# Nothing in it installs anything or gains rights, also where the image runs without the Deployment's securityContext.
RUN find / -xdev -type f -perm /6000 -exec chmod a-s {} + \
    && rm -rf /usr/local/bin/pip* /usr/local/lib/python3*/ensurepip /usr/local/lib/python3*/site-packages/pip* \
      /usr/bin/pip* /usr/lib/python3*/ensurepip /usr/lib/python3/dist-packages/pip* /usr/share/python-wheels
COPY LICENSE /licenses/
COPY --from=build /opt/atlas-endpoints /opt/atlas-endpoints
# HOME and USER: the Kubernetes client and kopf ask for them, and end the operator where a user without an entry in
# /etc/passwd (65532, or one that OpenShift assigns) has none.
ENV PATH=/opt/atlas-endpoints/bin:${PATH} \
    HOME=/nonexistent \
    USER=atlas-endpoints \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
# Numeric, so that Kubernetes can tell that it is not root. Nothing of the image belongs to it, and nothing is written to disk.
USER 65532:65532
STOPSIGNAL SIGTERM
# No HEALTHCHECK: Kubernetes has probes of its own and does not read it.

# A simulated Atlas, for tests: `make image TARGET=simulator`. It is the same image, which says what it is run for.
FROM runtime AS simulator
EXPOSE 8090
ENTRYPOINT ["atlas-endpoints", "simulate", "--host=0.0.0.0"]

FROM runtime AS operator
EXPOSE 8080
ENTRYPOINT ["atlas-endpoints"]
CMD ["run"]
# Last, for they differ between builds of the same content.
ARG BASE_IMAGE
ARG VERSION=0.1.0
ARG REVISION=unknown
ARG CREATED=1970-01-01T00:00:00Z
ARG SOURCE=https://example.com/atlas-endpoints
LABEL org.opencontainers.image.title="atlas-endpoints" \
      org.opencontainers.image.description="A Kubernetes operator for private endpoints of MongoDB Atlas" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.vendor="The maintainers of atlas-endpoints" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.documentation="${SOURCE}#readme" \
      org.opencontainers.image.base.name="${BASE_IMAGE}"
