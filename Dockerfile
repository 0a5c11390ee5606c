# syntax=docker/dockerfile:1
# Two stages: build with the toolchain, run without a shell. Both base images can be replaced.
ARG BUILD_IMAGE=rust:1.95-bookworm
ARG RUN_IMAGE=gcr.io/distroless/cc-debian12:nonroot

FROM ${BUILD_IMAGE} AS build
WORKDIR /src
# The dependencies first, with an empty program: this layer is built again only when they change. The benchmark is not
# built; cargo only wants to see its file.
COPY Cargo.toml Cargo.lock askama.toml ./
COPY .cargo .cargo
RUN mkdir src benches && touch src/lib.rs benches/rsa.rs && echo 'fn main() {}' > src/main.rs \
    && cargo build --release --locked \
    && rm -rf src
COPY src src
COPY migrations migrations
# The words of the config's JSON Schema.
COPY config config
COPY docs/sinks.md docs/sinks.md
RUN touch src/lib.rs src/main.rs && cargo build --release --locked \
    && install -D -m 0755 target/release/reelhook /out/reelhook \
    && install -d -m 0700 /out/data

FROM ${RUN_IMAGE}
LABEL org.opencontainers.image.title="reelhook" \
      org.opencontainers.image.description="Receives Microsoft Graph notifications that carry a recordOperation" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /out/reelhook /reelhook
COPY --from=build --chown=65532:65532 /out/data /data
COPY config/examples/container.toml /etc/reelhook/reelhook.toml
USER 65532:65532
VOLUME /data
WORKDIR /data
ENV REELHOOK_CONFIG=/etc/reelhook/reelhook.toml
EXPOSE 8080 8081
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s CMD ["/reelhook", "healthcheck"]
ENTRYPOINT ["/reelhook"]
CMD ["serve"]
