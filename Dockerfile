# Three images (docs/install.md#docker):
#
#     docker build --target translate -t mtkit-translate .    no PyTorch: translates with an exported model
#     docker build --target serve -t mtkit-serve .            the same as a server
#     docker build --target train -t mtkit .                  everything
#
# For an NVIDIA GPU, add `--build-arg TORCH_INDEX=` to the last line.

FROM python:3.12-slim AS base
RUN useradd --create-home mtkit
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /source
COPY pyproject.toml README.md LICENSE constraints.txt requirements-translate.txt ./

FROM base AS translate
RUN pip install -c constraints.txt -r requirements-translate.txt
COPY mtkit mtkit
RUN pip install --no-deps .
USER mtkit
WORKDIR /work
ENTRYPOINT ["mtkit"]
CMD ["translate"]

FROM translate AS serve
USER root
WORKDIR /source
RUN pip install -c constraints.txt starlette uvicorn
USER mtkit
WORKDIR /work
EXPOSE 5000
HEALTHCHECK CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:5000/health')"]
CMD ["serve", "-m", "/model", "--host", "0.0.0.0", "--api-keys", "/keys/keys.txt"]

FROM base AS train
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
RUN pip install ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} "$(grep '^torch==' constraints.txt)"
COPY mtkit mtkit
RUN pip install -c constraints.txt ".[langid,zstd]"
USER mtkit
WORKDIR /work
ENTRYPOINT ["mtkit"]
