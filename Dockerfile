# Two images (docs/install.md#docker):
#
#     docker build --target translate -t mtkit-translate .    no PyTorch: translates with an exported model
#     docker build --target train -t mtkit .                  everything
#
# For an NVIDIA GPU, add `--build-arg TORCH_INDEX=` to the second line.

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

FROM base AS train
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
RUN pip install ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} "$(grep '^torch==' constraints.txt)"
COPY mtkit mtkit
RUN pip install -c constraints.txt ".[langid,zstd]"
USER mtkit
WORKDIR /work
ENTRYPOINT ["mtkit"]
