# segbench in a container (docs/package.md):
#   docker build -t segbench .                        for the processor
#   docker build -t segbench:cuda --target cuda .     for NVIDIA's cards
FROM python:3.12-slim AS wheel
WORKDIR /source
COPY . .
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheel .

FROM python:3.12-slim AS base
COPY --from=wheel /wheel /wheel
COPY constraints.txt /wheel/
# Caches go where any user may write, as a container is best run as oneself (docker run --user).
ENV HOME=/tmp SEGBENCH_DATA=/data PIP_NO_CACHE_DIR=1
WORKDIR /work
ENTRYPOINT ["segbench"]
CMD ["run", "--help"]

# PyPI's wheels of torch for Linux bring CUDA with them.
FROM base AS cuda
RUN pip install -c /wheel/constraints.txt /wheel/*.whl

# The last stage is what is built if none is named. torch's own index has builds without CUDA, a tenth of the size.
FROM base AS cpu
RUN pip install --index-url https://download.pytorch.org/whl/cpu \
        "$(grep '^torch==' /wheel/constraints.txt)" && \
    pip install -c /wheel/constraints.txt /wheel/*.whl
