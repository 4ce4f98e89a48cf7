# One image for every role, and for the init container of builds on Kubernetes:
#
#   docker buildx build --platform linux/amd64,linux/arm64 .
#
# Whatever runs in here runs on the machine that builds, and the image itself is only copied together: no platform
# needs emulation. Any Debian 12 with Node 24 and npm will do as the base. The image gets its Debian packages from
# where the base gets them, and trusts the certificates in the base's /usr/local/share/ca-certificates, too.
ARG BASE_IMAGE=docker.io/library/node:24-bookworm-slim
FROM --platform=$BUILDPLATFORM ${BASE_IMAGE} AS base
WORKDIR /opt/hephy

FROM base AS debian
ARG TARGETARCH
COPY apps/cli/src/machine/needs.mjs apps/cli/src/machine/
COPY apps/cli/src/base-image/private-apt.ts apps/cli/src/base-image/run-command.ts apps/cli/src/base-image/
COPY scripts/image scripts/image
RUN node scripts/image/main.ts "$TARGETARCH" /image

# Without the workspaces, Node of that architecture is all that the lock file has beside what tests need.
FROM base AS node
ARG TARGETARCH
COPY package.json package-lock.json .npmrc ./
RUN --mount=type=cache,target=/root/.npm \
    npm ci --omit=dev --ignore-scripts --os=linux --cpu="$(echo "$TARGETARCH" | sed s/amd64/x64/)" \
    && install -D node_modules/.bin/node /image/usr/local/bin/node \
    && mkdir -p /image/opt/hephy/node_modules/.bin \
    && ln -s /usr/local/bin/node /image/opt/hephy/node_modules/.bin/node

# What npm reads of the workspaces: changes elsewhere in them do not have it install again.
FROM base AS manifests
COPY packages packages
COPY apps apps
RUN find packages apps -type f ! -name package.json -delete

FROM base AS npm
COPY package.json package-lock.json .npmrc ./
COPY --from=manifests /opt/hephy ./
# A third of it is what Node never reads: types, source maps, and modules of another runtime for each machine.
RUN --mount=type=cache,target=/root/.npm \
    npm ci --omit=dev --omit=optional --ignore-scripts \
    && find node_modules -regextype posix-extended -regex '.*(\.d\.[cm]?ts|\.map|\.bare)' -delete

FROM base AS javascript
COPY scripts/image/to-javascript.ts scripts/image/
COPY packages packages
COPY apps apps
RUN node --disable-warning=ExperimentalWarning scripts/image/to-javascript.ts packages apps

# What changes seldom comes first: a machine with the last version fetches the last layers only.
FROM scratch
COPY --from=debian /image /
COPY --from=node /image /
COPY --from=npm /opt/hephy /opt/hephy
COPY LICENSE /opt/hephy/
COPY bin /opt/hephy/bin
COPY --from=javascript /opt/hephy/packages /opt/hephy/packages
COPY --from=javascript /opt/hephy/apps /opt/hephy/apps
# Each program in it trusts the one file, so that a cluster's own certificates can be mounted over it.
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    NODE_ENV=production \
    NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt
WORKDIR /var/lib/hephy
ENTRYPOINT ["hephy"]
CMD ["--help"]
