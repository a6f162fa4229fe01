# One image for both services: `recorder proxy` and `recorder ingest` (compose.yaml runs one container of each).
FROM python:3.13-slim

# A user without rights of its own, who owns the folders of the recordings and of the journal.
RUN useradd --system --uid 10001 --create-home recorder \
    && install --directory --owner recorder --group recorder --mode 0700 /data/logs /data/journal

WORKDIR /app
COPY requirements.lock ./
RUN pip install --no-cache-dir --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE config.yaml cli.py ./
COPY traffic traffic
COPY recorder recorder
COPY ingest_server ingest_server
COPY replay replay
COPY recorded_llm recorded_llm
COPY commands commands
RUN pip install --no-cache-dir --no-build-isolation --no-deps .
COPY deploy/compose-config.yaml /etc/llm-flight-recorder/config.yaml

USER recorder
WORKDIR /data
ENV CONFIG_PATH=/etc/llm-flight-recorder/config.yaml \
    HEALTH_URL=http://127.0.0.1:5601/health \
    PYTHONUNBUFFERED=1
VOLUME ["/data/logs", "/data/journal"]
EXPOSE 5601 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s \
    CMD ["python", "-c", "import os, urllib.request as u; u.urlopen(os.environ['HEALTH_URL'], timeout=2)"]
# Reached from outside the container, and so refused without keys: give it a configuration with server.keys, or publish it on
# 127.0.0.1 only and add --insecure-public-bind, as compose.yaml does.
ENTRYPOINT ["recorder"]
CMD ["proxy"]
