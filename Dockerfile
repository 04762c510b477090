# The operator as an image: `buildah build -t localhost/atlas-endpoints:0.1.0 .` (podman and docker take the same file).
# Two stages on the same base, so that the environment built in the first finds its interpreter in the second.
# For a release, give BASE_IMAGE by digest. The base needs Python 3.11 or newer as `python3`, in the first stage with venv.
ARG BASE_IMAGE=python:3.13-slim

FROM ${BASE_IMAGE} AS build
# The same uv as in the Makefile; a test compares them.
ARG UV_VERSION=0.13.9
RUN python3 -m venv /opt/uv && /opt/uv/bin/pip install --no-cache-dir --disable-pip-version-check "uv==${UV_VERSION}"
ENV UV_COMPILE_BYTECODE=1 \
    UV_LINK_MODE=copy \
    UV_NO_CACHE=1 \
    UV_PYTHON=python3 \
    UV_SYSTEM_CERTS=1 \
    UV_PYTHON_DOWNLOADS=never \
    UV_PROJECT_ENVIRONMENT=/opt/atlas-endpoints
WORKDIR /src
# What is locked changes more rarely than the code: a layer of its own.
COPY pyproject.toml uv.lock ./
RUN /opt/uv/bin/uv sync --locked --no-dev --no-install-project
COPY README.md LICENSE ./
COPY operator operator
RUN /opt/uv/bin/uv sync --locked --no-dev --no-editable && rm -f /opt/atlas-endpoints/.lock

FROM ${BASE_IMAGE}
ARG BASE_IMAGE
ARG VERSION=0.1.0
ARG REVISION=unknown
ARG CREATED=1970-01-01T00:00:00Z
LABEL org.opencontainers.image.title="atlas-endpoints" \
      org.opencontainers.image.description="A Kubernetes operator for MongoDB Atlas serverless private endpoints" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.base.name="${BASE_IMAGE}"
# Nothing may gain rights, also where the image runs without the Deployment's securityContext.
RUN find / -xdev -type f -perm /6000 -exec chmod a-s {} +
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
EXPOSE 8080
STOPSIGNAL SIGTERM
# No HEALTHCHECK: Kubernetes has probes of its own and does not read it.
ENTRYPOINT ["atlas-endpoints"]
CMD ["run"]
