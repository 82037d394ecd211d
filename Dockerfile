# The studio for several machines: this image is the web server, and with
# `python manage.py qcluster` a worker. compose.yaml puts them together.
FROM python:3.11-slim AS wheels
WORKDIR /build
COPY requirements-lock.txt ./
# As they were published: a wheel built here would have another hash.
RUN pip download --no-cache-dir --disable-pip-version-check --only-binary :all: --dest /wheels \
    --require-hashes -r requirements-lock.txt

FROM python:3.11-slim
ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    STUDIO_DATA_DIR=/data \
    STUDIO_STATIC_ROOT=/app/collected
# The front server of compose.yaml is in this group: it passes through /data and reads /static.
RUN groupadd --gid 10001 studio \
    && useradd --uid 10001 --gid studio --no-create-home --home-dir /app --shell /usr/sbin/nologin studio \
    && install -d -o studio -g studio -m 710 /data \
    && install -d -o studio -g studio -m 750 /static /app/collected
WORKDIR /app
COPY requirements-lock.txt ./
RUN --mount=type=bind,from=wheels,source=/wheels,target=/wheels \
    pip install --no-cache-dir --disable-pip-version-check --no-index --find-links /wheels \
    --require-hashes -r requirements-lock.txt
COPY manage.py ./
COPY studio ./studio
COPY templates ./templates
COPY static ./static
# Root's files, which the studio reads and cannot change, however private the copy they come from is.
RUN chmod --recursive a+rX manage.py studio templates static
USER studio
# The keys of this one command stay out of the image: real ones come from the environment.
RUN SECRET_KEY=only-to-collect STUDIO_ENCRYPTION_KEY=only-to-collect STUDIO_DATA_DIR=/tmp/collecting \
    STUDIO_ACCEL=/_media python manage.py collectstatic --noinput --verbosity 0 \
    && rm -rf /tmp/collecting
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
CMD ["gunicorn", "--config", "python:studio.launcher.web", "--bind", "0.0.0.0:8000", "studio.wsgi"]
