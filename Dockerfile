# One image for every role; the command says which:
#   orderbus web | orderbus workers | orderbus bridge | orderbus migrate
# It is laid out like a checkout, so that orderbus finds migrations/ beside the package.

FROM python:3.11-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
RUN python -m venv /venv
WORKDIR /app
COPY requirements.lock .
RUN /venv/bin/pip install --require-hashes --only-binary :all: --requirement requirements.lock
COPY . .
RUN /venv/bin/pip install --no-deps --no-build-isolation --editable . \
    && /venv/bin/python -m compileall -q /app

FROM python:3.11-slim-bookworm
RUN useradd --uid 10001 --no-create-home --home-dir /app --shell /usr/sbin/nologin orderbus
COPY --from=build /venv /venv
COPY --from=build /app /app
WORKDIR /app
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    ORDERBUS_WEB_HOST=0.0.0.0 \
    ORDERBUS_METRICS_HOST=0.0.0.0
USER orderbus
# The web server; metrics and health of the workers; the same of the bridge.
EXPOSE 8000 9191 9192
STOPSIGNAL SIGTERM
CMD ["orderbus", "web"]
