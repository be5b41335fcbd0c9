#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Verify the results of lab/artifacts/build: check every checksum file, and pull every image with a real
# client from a real registry on the storage.
# Usage: check.sh DIR, the directory with the links mirror and registry. Exits with 1 at the first error.
set -euo pipefail

if [ $# -ne 1 ] || [ ! -d "$1/mirror" ] || [ ! -d "$1/registry" ]; then
    echo "usage: $0 DIR, where DIR contains the links mirror and registry of lab/artifacts/build" >&2
    exit 2
fi
for program in docker-registry skopeo; do
    command -v "$program" >/dev/null || {
        echo "error: $program is missing: apt-get install $program" >&2
        exit 2
    }
done
mirror=$(realpath "$1/mirror") storage=$(realpath "$1/registry")
port=${CHECK_PORT:-5099}

scratch=$(mktemp -d)
registry=
end() {
    [ -z "$registry" ] || kill "$registry" 2>/dev/null || true
    rm -rf "$scratch"
}
trap end EXIT

# A checksum file contains lines "digest  name", or only the digest of the file in its own name.
while IFS= read -r sums; do
    if grep -q ' ' "$sums"; then
        (cd "$(dirname "$sums")" && sha256sum --check --quiet "$(basename "$sums")")
    else
        echo "$(cat "$sums")  ${sums%.*}" | sha256sum --check --quiet
    fi
    echo "verified  ${sums#"$mirror/"}"
done < <(find "$mirror" -name '*.sha256' -o -name '*.sha256sum' -o -name SHA256SUMS | sort)

cat >"$scratch/config.yml" <<END
version: 0.1
storage: {filesystem: {rootdirectory: $storage}, maintenance: {readonly: {enabled: true}}}
http: {addr: "127.0.0.1:$port"}
END
docker-registry serve "$scratch/config.yml" >"$scratch/log" 2>&1 &
registry=$!
for _ in $(seq 100); do
    if (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then break; fi
    kill -0 "$registry" || { cat "$scratch/log" >&2 && exit 1; }
    sleep 0.1
done

repositories=$storage/docker/registry/v2/repositories
while IFS= read -r tag; do
    repository=${tag#"$repositories/"} name=$(basename "$tag")
    repository=${repository%/_manifests/tags/*}
    skopeo copy --quiet --src-tls-verify=false \
        "docker://127.0.0.1:$port/$repository:$name" "dir:$scratch/image"
    echo "pulled    $repository:$name"
done < <(find "$repositories" -path '*/_manifests/tags/*' -prune -type d | sort)
