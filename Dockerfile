# Two stages: the build tools stay behind, the image holds Python, the locked dependencies and marginbot.
FROM python:3.11-slim AS build
WORKDIR /src
COPY requirements.lock ./
RUN python -m venv /opt/marginbot && /opt/marginbot/bin/pip install --no-cache-dir --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY migrations ./migrations
COPY marginbot ./marginbot
RUN /opt/marginbot/bin/pip install --no-cache-dir --no-deps --no-build-isolation .
# The bill of materials (CycloneDX): the build fails when anything is installed that the lock does not name.
COPY container/bill_of_materials.py ./
RUN /opt/marginbot/bin/python bill_of_materials.py requirements.lock > /opt/marginbot/sbom.cdx.json

FROM python:3.11-slim
RUN useradd --system --uid 10001 --home-dir /data --shell /usr/sbin/nologin marginbot \
    && install -d -o marginbot -g marginbot -m 0700 /data
COPY --from=build /opt/marginbot /opt/marginbot
ENV PATH=/opt/marginbot/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    MARGINBOT_DATABASE=/data/marginbot.db
# Run it with `--read-only --tmpfs /tmp`: only /data is ever written to.
USER marginbot
WORKDIR /data
VOLUME /data
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import os,urllib.request as u; u.urlopen('http://'+os.environ.get('MARGINBOT_HTTP_LISTEN','127.0.0.1:8080')+'/healthz',timeout=4)"]
ENTRYPOINT ["marginbot"]
CMD ["run"]
