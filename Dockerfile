# One image for every process of the pipeline: docker-compose.yml says which container runs which.
FROM python:3.11-slim-bookworm AS build
WORKDIR /build

# opencv-python brings Qt, and Qt is linked against libGL. No container has a window, so the three
# libraries that find the real OpenGL are enough; installed as packages they would bring Mesa and
# LLVM along, 150 MB that nothing would ever call.
RUN apt-get update \
    && apt-get download libgl1 libglx0 libglvnd0 \
    && for package in *.deb; do dpkg-deb --extract "$package" /gl; done

# The dependencies before the code, so that a change of the code does not install them again. The
# sample clip is a file inside a package whose own dependencies (SciPy, Pillow) nothing needs.
ENV PIP_PYTHON=/opt/affectline/bin/python PIP_NO_CACHE_DIR=1
COPY pyproject.toml ./
RUN python -m venv --without-pip /opt/affectline \
    && python -c 'import tomllib; \
project = tomllib.load(open("pyproject.toml", "rb"))["project"]; \
extras = project["optional-dependencies"]; \
print(*project["dependencies"], *extras["dashboard"], sep="\n", file=open("runtime.txt", "w")); \
print(*extras["sample"], sep="\n", file=open("sample.txt", "w"))' \
    && pip install --requirement runtime.txt \
    && pip install --no-deps --requirement sample.txt \
    && find /opt/affectline/lib -type d -name tests -prune -exec rm -r {} +

# NiceGUI brings scripts for everything that a page may want, and packages for reloading and for a
# relay on the internet; our pages want its ECharts. zstandard's second backend is for PyPy.
RUN cd /opt/affectline/lib/python3.*/site-packages \
    && find nicegui/elements -path '*/dist/*' -not -path '*/echart/*' -type f -delete \
    && rm -r nicegui/static/sass.dart.js docutils uvloop watchfiles zstandard/_cffi.*.so \
        aiohttp multidict yarl propcache frozenlist

COPY README.md LICENSE ./
COPY src src
COPY common common
COPY services services
COPY training training
RUN pip install --no-deps .

FROM python:3.11-slim-bookworm
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libglib2.0-0 libx11-6 \
    && apt-get clean && rm -rf /var/lib/apt/lists/*
COPY --from=build /gl/usr/lib /usr/lib
COPY --from=build /opt/affectline /opt/affectline
COPY configs /app/configs
# A fresh volume takes over the owner of the folder that it is mounted on.
RUN useradd --system --uid 10001 --user-group --no-create-home --home-dir /app affectline \
    && install --directory --owner affectline --group affectline /app/sessions
WORKDIR /app
ENV PATH=/opt/affectline/bin:$PATH \
    PYTHONUNBUFFERED=1
USER 10001:10001
ENTRYPOINT ["affectline"]
CMD ["--help"]
