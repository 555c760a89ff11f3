# The server in one small image. Data live in the volume /data; settings come as environment variables.
#   docker build -t concierge .
#   docker run -p 8080:8080 -v concierge:/data --env-file .env concierge

FROM python:3.11-slim AS build
WORKDIR /build
# The server's user may not write there: modules that are not compiled now would be at every start, of every process.
ENV UV_COMPILE_BYTECODE=1
COPY requirements.lock pyproject.toml README.md LICENSE ./
# Everything comes from the lock file with its hashes: uv by pip, then by uv what the server needs (not the
# developers' tools), with the lock file as constraints, whose hashes uv checks.
RUN sed -n '/^uv==/,/^[^ ]/{/^uv==/p;/^ /p}' requirements.lock > uv.lock \
    && pip install --no-cache-dir --require-hashes -r uv.lock \
    && uv venv --python /usr/local/bin/python /opt/concierge \
    && uv pip install --no-cache --python /opt/concierge/bin/python -r pyproject.toml -c requirements.lock \
    && uv pip install --no-cache --system hatchling -c requirements.lock
COPY bot bot
COPY services services
COPY agents agents
COPY vectorstore vectorstore
COPY database database
RUN python -m hatchling build -t wheel -d wheels \
    && uv pip install --no-cache --python /opt/concierge/bin/python --no-deps wheels/*.whl

FROM python:3.11-slim
RUN useradd --system --uid 10001 --home-dir /data --shell /usr/sbin/nologin concierge \
    && install -d -o concierge -g concierge -m 700 /data
COPY --from=build /opt/concierge /opt/concierge
ENV PATH=/opt/concierge/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    CONCIERGE_DATA_DIR=/data \
    HOST=0.0.0.0 \
    PORT=8080
USER concierge
WORKDIR /data
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s CMD ["python", "-c", \
    "import os, urllib.request; urllib.request.urlopen(f'http://127.0.0.1:{os.environ[\"PORT\"]}/health/ready', timeout=8)"]
# `serve` stops gracefully on SIGTERM: give it longer than CONCIERGE_STOP_GRACE_SECONDS (docker stop -t 30)
STOPSIGNAL SIGTERM
CMD ["concierge", "serve"]
