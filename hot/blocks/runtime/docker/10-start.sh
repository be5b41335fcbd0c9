#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Install Docker Engine and cri-dockerd, start them, and pull the sandbox image.
set -euo pipefail
# shellcheck source=hot/lib/step.sh
source "$HEATGEN_LIB/step.sh"

evict=()
! program_changes dockerd "$DOCKER_VERSION" || evict=(--evict)
by_turn "${evict[@]}" "$DOCKER_ARTIFACT" "$CRI_DOCKERD_ARTIFACT"
folder=$(unpack "$DOCKER_ARTIFACT" docker "$DOCKER_VERSION" 1)
cri_dockerd=$(unpack "$CRI_DOCKERD_ARTIFACT" cri-dockerd "$CRI_DOCKERD_VERSION" 1)/cri-dockerd || exit 1
# cri-dockerd runs it to forward ports to pods (kubectl port-forward).
command -v socat >/dev/null || install_packages socat

# registry-mirrors in daemon.json apply to docker.io only; with containerd's image store Docker reads these files.
registry_mirror "$ARTIFACTS_REGISTRY" /etc/docker/certs.d
install_text "$CONTAINERD_CONFIG" /etc/docker/containerd.toml
install_text "$CONTAINERD_UNIT" /etc/systemd/system/containerd.service
start_unit containerd --link "$folder/containerd" --link "$folder/containerd-shim-runc-v2" --link "$folder/ctr" \
    --link "$folder/runc" /etc/docker/containerd.toml "$heatgen_bin/containerd"
install_text "$DOCKER_CONFIG" /etc/docker/daemon.json
install_text "$DOCKER_UNIT" /etc/systemd/system/docker.service
# If flannel was configured before Docker, pods use the complete lease: configure it again for docker0.
if [ -e /run/flannel/subnet.env ]; then
    message=$("$heatgen_home/lib/flannel-cni" 2>&1) ||
        fail "cannot assign addresses to docker0: $(tail -n 1 <<<"$message")"
fi
start_unit docker --link "$folder/dockerd" --link "$folder/docker" --link "$folder/docker-proxy" \
    /etc/docker/daemon.json "$heatgen_bin/dockerd"

docker() {
    "$heatgen_bin/docker" --host unix:///run/docker.sock "$@"
}
wait_unit 60 docker "Docker Engine responds" docker version
# Tag the pinned digest: cri-dockerd identifies the sandbox image by its tag and protects it from the kubelet's
# image garbage collection.
name=${PAUSE_IMAGE%%@*}
image=${name%:*}@${PAUSE_IMAGE##*@}
pull_sandbox_image() {
    { docker image inspect "$image" >/dev/null 2>&1 || docker pull --quiet "$image"; } &&
        docker tag "$image" "$name"
}
# Retry, because a new flannel lease can restart Docker at any time.
wait_for 30 "the sandbox image $PAUSE_IMAGE is pulled" pull_sandbox_image

install_text "PAUSE_IMAGE=$name" /etc/docker/cri-dockerd.env
install_text "$CRI_DOCKERD_UNIT" /etc/systemd/system/cri-docker.service
start_unit cri-docker --link "$cri_dockerd" /etc/docker/cri-dockerd.env "$heatgen_bin/cri-dockerd"
wait_unit 30 cri-docker "cri-dockerd is listening" test -S /run/cri-dockerd.sock

echo "Docker Engine $DOCKER_VERSION with cri-dockerd $CRI_DOCKERD_VERSION is running."
