# One image for every process of the pipeline: docker-compose.yml says which container runs which.
# docs/supply-chain.md explains how to name the base by its digest.
ARG BASE=python:3.11-slim-bookworm
FROM ${BASE} AS build
WORKDIR /build

# opencv-python includes Qt, and Qt is linked against libGL. No container has a window, so the three
# libraries that find the real OpenGL are enough. As packages they would also install Mesa and LLVM,
# 150 MB that nothing would use.
RUN apt-get update \
    && apt-get download libgl1 libglx0 libglvnd0 \
    && for package in *.deb; do dpkg-deb --extract "$package" /gl; done

# The dependencies before the code, so that a change of the code does not reinstall them. Every
# file is checked against a hash in the lock.
ENV PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
COPY requirements/build.txt requirements/image.txt requirements/
RUN pip install --require-hashes --requirement requirements/build.txt \
    && python -m venv --without-pip /opt/affectline \
    && pip --python /opt/affectline/bin/python install --require-hashes --no-deps --requirement requirements/image.txt \
    && find /opt/affectline/lib -type d -name tests -prune -exec rm -r {} +

# NiceGUI includes scripts for everything that a page may need, and packages for reloading and for a
# relay on the internet; our pages need only ECharts. zstandard's second backend is for PyPy.
RUN cd /opt/affectline/lib/python3.*/site-packages \
    && find nicegui/elements -path '*/dist/*' -not -path '*/echart/*' -type f -delete \
    && rm -r nicegui/static/sass.dart.js docutils uvloop watchfiles zstandard/_cffi.*.so \
        aiohttp multidict yarl propcache frozenlist

COPY pyproject.toml README.md LICENSE ./
COPY src src
COPY common common
COPY services services
COPY training training
RUN pip wheel --no-deps --no-index --no-build-isolation --wheel-dir /wheels . \
    && pip --python /opt/affectline/bin/python install --no-deps --no-index --find-links /wheels affectline

FROM ${BASE}
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libglib2.0-0 libx11-6 \
    && apt-get clean && rm -rf /var/lib/apt/lists/*
COPY --from=build /gl/usr/lib /usr/lib
COPY --from=build /opt/affectline /opt/affectline
COPY configs /app/configs
# A new volume gets the owner of the folder that it is mounted on.
RUN useradd --system --uid 10001 --user-group --no-create-home --home-dir /app affectline \
    && install --directory --owner affectline --group affectline /app/sessions
WORKDIR /app
ENV PATH=/opt/affectline/bin:$PATH \
    PYTHONUNBUFFERED=1
USER 10001:10001
ENTRYPOINT ["affectline"]
CMD ["--help"]
