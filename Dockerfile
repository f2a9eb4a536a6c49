# The image of service and worker: docker build -t offpath .
#
# Without arguments it serves the demo agents over the offline model; it asks callers for OFFPATH_API_KEY. For yours, the
# command is `offpath serve my_agents:app`, and `offpath worker my_agents:app` for a worker; the code is in /app, mounted
# or copied there by an image of your own that begins with `FROM offpath`.
# Needs BuildKit, which Docker has by itself since version 23; ADD --checksum since 25.

ARG PYTHON=3.13.15-slim-trixie

# --- SQLite: Debian's has the WAL-reset bug, which is mended from 3.51.3 on (docs/decisions/0001-one-transaction.md) ---
FROM python:${PYTHON} AS sqlite
RUN apt-get update \
    && apt-get install --yes --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*
ADD --checksum=sha256:0e9483900e92cd5de8fd48d16bf9200145a61f7fd5be542a5ac81d8a9516eb9c \
    https://sqlite.org/2026/sqlite-autoconf-3530400.tar.gz /sqlite.tar.gz
WORKDIR /sqlite
RUN tar --extract --strip-components=1 --file=/sqlite.tar.gz \
    && gcc -O2 -fPIC -shared -o libsqlite3.so.0 -Wl,-soname,libsqlite3.so.0 \
        -DSQLITE_THREADSAFE=1 -DSQLITE_ENABLE_COLUMN_METADATA -DSQLITE_ENABLE_DBSTAT_VTAB -DSQLITE_ENABLE_FTS5 \
        -DSQLITE_ENABLE_MATH_FUNCTIONS -DSQLITE_ENABLE_RTREE \
        sqlite3.c -ldl -lm -lpthread

# --- offpath and what it needs, at the pinned versions, in an environment that is copied whole ---
FROM python:${PYTHON} AS build
ARG EXTRAS=notify,postgres,sql
RUN python -m venv /opt/offpath
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /source
# What changes seldom comes first: without the code only its dependencies are installed, and that layer is kept.
COPY pyproject.toml constraints.txt README.md LICENSE ./
RUN python - "${EXTRAS}" > /requirements.txt <<'LIST'
import sys, tomllib
project = tomllib.load(open("pyproject.toml", "rb"))["project"]
wanted = project["dependencies"] + [one for extra in sys.argv[1].split(",") if extra
                                    for one in project["optional-dependencies"][extra]]
print("\n".join(wanted))
LIST
RUN /opt/offpath/bin/pip install --constraint constraints.txt --requirement /requirements.txt
COPY service service
COPY evaluators evaluators
RUN pip wheel --no-deps --wheel-dir /wheels . \
    && /opt/offpath/bin/pip install --constraint constraints.txt "$(echo /wheels/offpath-*.whl)[${EXTRAS}]" \
    && /opt/offpath/bin/pip check

# --- What runs ---
FROM python:${PYTHON}
COPY --from=sqlite /sqlite/libsqlite3.so.0 /usr/local/lib/libsqlite3.so.0
# The directory comes before the distribution's on every architecture, and the build fails if it does not.
RUN echo /usr/local/lib > /etc/ld.so.conf.d/00-local.conf \
    && ldconfig \
    && python -c "import sqlite3, sys; sys.exit(sqlite3.sqlite_version_info < (3, 51, 3) and sqlite3.sqlite_version)" \
    && groupadd --gid 10001 offpath \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin offpath \
    && install --directory --owner=10001 --group=10001 --mode=0750 /data \
    && install --directory /app
COPY --from=build /opt/offpath /opt/offpath
ENV PATH=/opt/offpath/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    OFFPATH_HOST=0.0.0.0 \
    OFFPATH_DATABASE_URL=sqlite:////data/offpath.db \
    PROBE_PORT=7777
# /app has the code of agents, /data the database; /tmp, where processes meet, may be a tmpfs. Nothing else is written.
WORKDIR /app
USER 10001:10001
EXPOSE 7777
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-I", "-c", "import http.client, os, sys; c = http.client.HTTPConnection('127.0.0.1', int(os.environ['PROBE_PORT']), timeout=4); c.request('GET', '/ready'); sys.exit(c.getresponse().status != 200)"]
CMD ["offpath", "demo"]
