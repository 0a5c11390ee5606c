# Two stages: build with the toolchain, run without a shell. There is no "# syntax" line: a builder without a network could
# not fetch what it names.
#
# The base images are named by tag, so that a new build has their fixes. To build from the same bases again, name them by
# digest. These are of November 2026:
#   --build-arg BUILD_IMAGE=rust:1.95-bookworm@sha256:6258907abe69656e41cd992e0b705cdcfabcbbe3db374f92ed2d47121282d4a1
#   --build-arg RUN_IMAGE=gcr.io/distroless/cc-debian12:nonroot@sha256:9dac0a79194e45a7da0158a9c6da57b217585af0786db3845d1f0ec1a0dd182f
# To renew them, ask the registry, and copy the line "Digest":
#   docker buildx imagetools inspect rust:1.95-bookworm
#   docker buildx imagetools inspect gcr.io/distroless/cc-debian12:nonroot
ARG BUILD_IMAGE=rust:1.95-bookworm
ARG RUN_IMAGE=gcr.io/distroless/cc-debian12:nonroot

FROM ${BUILD_IMAGE} AS build
WORKDIR /src
# The dependencies first, with an empty program: this layer is built again only when they change. The benchmark is not
# built; cargo only wants to see its file.
COPY Cargo.toml Cargo.lock askama.toml ./
COPY .cargo .cargo
RUN mkdir src benches && touch src/lib.rs benches/rsa.rs benches/plain_loop.rs && echo 'fn main() {}' > src/main.rs \
    && cargo build --release --locked \
    && rm -rf src
COPY src src
COPY migrations migrations
# The words of the config's JSON Schema.
COPY config config
COPY docs/sinks.md docs/sinks.md
COPY docs/sinks docs/sinks
RUN touch src/lib.rs src/main.rs && cargo build --release --locked
# What the image has, with its modes: those of a checkout depend on somebody's umask. A folder that is copied by its own
# name would lose its mode, so each of these two is copied by the name of the folder above.
COPY LICENSE config/examples/container.toml /image/
RUN umask 022 && mkdir -p /out/system/usr/local/bin /out/system/etc/reelhook /out/system/usr/share/doc/reelhook /out/owned/data \
    && cp target/release/reelhook /out/system/usr/local/bin/reelhook \
    && cp /image/container.toml /out/system/etc/reelhook/reelhook.toml \
    && cp /image/LICENSE /out/system/usr/share/doc/reelhook/LICENSE \
    && chmod 0755 /out/system/usr/local/bin/reelhook \
    && chmod 0644 /out/system/etc/reelhook/reelhook.toml /out/system/usr/share/doc/reelhook/LICENSE \
    && chmod 0700 /out/owned/data

FROM ${RUN_IMAGE}
COPY --from=build /out/system/ /
COPY --from=build --chown=65532:65532 /out/owned/ /
USER 65532:65532
VOLUME /data
WORKDIR /data
ENV REELHOOK_CONFIG=/etc/reelhook/reelhook.toml
# For Graph; for operators, on loopback unless the config says otherwise; for probes.
EXPOSE 8080 8081 8082
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s CMD ["/usr/local/bin/reelhook", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/reelhook"]
CMD ["serve"]
# The last, so that another revision alone builds nothing again.
ARG SOURCE=
ARG VERSION=0.1.0
ARG REVISION=
LABEL org.opencontainers.image.title="reelhook" \
      org.opencontainers.image.description="Receives Microsoft Graph notifications that carry a recordOperation" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
