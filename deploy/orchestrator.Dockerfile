# The control plane: policy, prices, the ledger, promotions. Its state is in Redis.
#   docker build -f deploy/orchestrator.Dockerfile -t underpaint-orchestrator .
FROM python:3.11-slim

RUN useradd --create-home --uid 10001 underpaint \
    && install --directory --owner underpaint /data

WORKDIR /src
COPY constraints.txt pyproject.toml README.md ./
COPY proto proto
COPY engines engines
COPY edge edge
COPY orchestrator orchestrator
COPY cloud cloud
COPY sdk sdk
RUN pip install --no-cache-dir ".[orchestrator]" --constraint constraints.txt

USER underpaint
WORKDIR /data
VOLUME /data
EXPOSE 50061
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s \
    CMD ["python", "-m", "underpaint.contract.health", "127.0.0.1:50061"]
STOPSIGNAL SIGTERM
# It starts with a token and UNDERPAINT_TLS_DIR, or with --insecure: it listens on every interface.
ENTRYPOINT ["python", "-m", "underpaint.orchestrator"]
CMD ["--listen", "0.0.0.0:50061", "--redis-url", "redis://redis:6379/0", "--cloud", "cloud:50071", "--data-dir", "/data"]
