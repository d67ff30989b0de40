# The edge tier: the Lite engine, its drafts and the bundled model.
#   docker build -f deploy/edge.Dockerfile -t underpaint-edge .
FROM python:3.11-slim

# OpenMP for torch.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libgomp1 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 10001 underpaint \
    && install --directory --owner underpaint /data

WORKDIR /src
COPY constraints.txt pyproject.toml README.md ./
COPY proto proto
COPY engines engines
COPY edge edge
COPY orchestrator orchestrator
COPY cloud cloud
COPY sdk sdk
RUN pip install --no-cache-dir ".[edge]" --constraint constraints.txt

USER underpaint
WORKDIR /data
VOLUME /data
EXPOSE 50051
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s \
    CMD ["python", "-m", "underpaint.contract.health", "127.0.0.1:50051"]
STOPSIGNAL SIGTERM
# It starts with a token and UNDERPAINT_TLS_DIR, or with --insecure: it listens on every interface.
ENTRYPOINT ["python", "-m", "underpaint.edge"]
CMD ["--listen", "0.0.0.0:50051", "--data-dir", "/data"]
