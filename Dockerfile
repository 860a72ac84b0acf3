# The image of the service: one static program and the certificates to trust. The Home Assistant app is
# this image, and it runs as well without Home Assistant, with its configuration in /data/config.yaml:
#
#   docker build -t fronius-smartmeter .
#   docker run -p 502:502 -v "$PWD/data:/data" fronius-smartmeter
#
# packaging/build makes the images of a release of the last stage alone, with programs that it has compiled.
FROM docker.io/library/rust:1-alpine AS built
RUN apk add --no-cache ca-certificates-bundle gcc musl-dev
WORKDIR /source
COPY . .
RUN cargo build --release --locked \
 && install -Dt /root-of-image target/release/fronius-smartmeter \
 && install -Dm 644 -t /root-of-image/etc/ssl/certs /etc/ssl/certs/ca-certificates.crt \
 && mkdir /root-of-image/data

FROM scratch
ARG BUILD_VERSION=0.1.0
# As Home Assistant writes it: amd64 or aarch64.
ARG BUILD_ARCH=amd64
COPY --from=built /root-of-image/ /
# The Supervisor writes the options so that only root can read them, so there is no USER.
ENV STATE_DIRECTORY=/data
WORKDIR /data
ENTRYPOINT ["/fronius-smartmeter"]
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s CMD ["/fronius-smartmeter", "health"]
EXPOSE 502
LABEL io.hass.version="$BUILD_VERSION" \
      io.hass.type="app" \
      io.hass.arch="$BUILD_ARCH" \
      org.opencontainers.image.title="Fronius Smart Meter" \
      org.opencontainers.image.description="A Smart Meter for Fronius inverters, with the values of your sensors" \
      org.opencontainers.image.source="https://github.com/OWNER/fronius-smartmeter" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.version="$BUILD_VERSION"
