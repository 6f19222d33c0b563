# The command as an image: docker build -t pyimginspect .   docker run --rm -i pyimginspect - < image.tar
# It passes its own policy "strict": an official slim base, nothing that only building needs, no pip.
ARG PYTHON=python:3.13-slim
FROM ${PYTHON} AS build
WORKDIR /src
COPY setup.cfg pyproject.toml README.md LICENSE CHANGELOG.md MANIFEST.in ./
COPY docs/man docs/man
COPY pyimginspect pyimginspect
RUN python -m venv --without-pip /opt/pyimginspect \
    && python -m pip --disable-pip-version-check --no-cache-dir --python /opt/pyimginspect/bin/python install .

FROM ${PYTHON}
LABEL org.opencontainers.image.title="pyimginspect" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.source="https://github.com/pyimginspect/pyimginspect"
COPY --from=build /opt/pyimginspect /opt/pyimginspect
ENV PATH=/opt/pyimginspect/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYIMGINSPECT_NO_CACHE=1
WORKDIR /work
USER 65532:65532
ENTRYPOINT ["pyimginspect"]
CMD ["--help"]
