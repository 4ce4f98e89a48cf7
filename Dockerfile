# One image for every role: `hephy up`, `receiver`, `worker`, `publisher`, `api`.
# Any Debian with Node 24 and npm will do as its base; a company's CA certificates belong there too.
ARG BASE_IMAGE=docker.io/library/node:24-bookworm-slim
FROM ${BASE_IMAGE}

WORKDIR /opt/hephy
COPY package.json package-lock.json .npmrc LICENSE ./
COPY scripts scripts
COPY bin bin
COPY packages packages
COPY apps apps

# Debian packages and npm packages, by the same script as on any other machine.
RUN --mount=type=cache,target=/root/.npm \
    node scripts/setup.mjs image \
    && ln -s /opt/hephy/bin/hephy /usr/local/bin/hephy \
    && mkdir -p /var/lib/hephy \
    && rm -rf /var/lib/apt/lists/*

ENV NODE_ENV=production
WORKDIR /var/lib/hephy
ENTRYPOINT ["hephy"]
CMD ["--help"]
