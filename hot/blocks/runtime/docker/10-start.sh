#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Install Docker Engine and cri-dockerd, start them, and pull the sandbox image.
set -euo pipefail
# shellcheck source=hot/lib/step.sh
source "$HEATGEN_LIB/step.sh"

folder=$(unpack "$DOCKER_ARTIFACT" docker "$DOCKER_VERSION" 1)
link_program "$folder"/{containerd,containerd-shim-runc-v2,ctr,docker,docker-proxy,dockerd,runc}
folder=$(unpack "$CRI_DOCKERD_ARTIFACT" cri-dockerd "$CRI_DOCKERD_VERSION" 1)
link_program "$folder/cri-dockerd"

# daemon.json's registry-mirrors serve docker.io alone; with containerd's image store Docker reads these.
registry_mirror "$ARTIFACTS_REGISTRY" /etc/docker/certs.d
install_text "$CONTAINERD_CONFIG" /etc/docker/containerd.toml
install_text "$CONTAINERD_UNIT" /etc/systemd/system/containerd.service
start_unit containerd /etc/docker/containerd.toml "$heatgen_bin/containerd"
install_text "$DOCKER_CONFIG" /etc/docker/daemon.json
install_text "$DOCKER_UNIT" /etc/systemd/system/docker.service
# Where the network came first it gave the pods the whole lease: now it knows of Docker.
if [ -e /run/flannel/subnet.env ]; then
    said=$("$heatgen_home/lib/flannel-cni" 2>&1) || fail "docker0 gets no addresses: $(tail -n 1 <<<"$said")"
fi
start_unit docker /etc/docker/daemon.json "$heatgen_bin/dockerd"

docker() {
    "$heatgen_bin/docker" --host unix:///run/docker.sock "$@"
}
wait_unit 60 docker "Docker Engine answers" docker version
# The name with its tag stands for the pinned digest here: by the tag cri-dockerd knows the image as the
# sandbox's and has the kubelet's garbage collection spare it.
name=${PAUSE_IMAGE%%@*}
image=${name%:*}@${PAUSE_IMAGE##*@}
sandbox_image() {
    { docker image inspect "$image" >/dev/null 2>&1 || docker pull --quiet "$image"; } &&
        docker tag "$image" "$name"
}
# Again if need be: a new lease of the network restarts Docker at any time.
wait_for 30 "pulling the sandbox image $PAUSE_IMAGE" sandbox_image

install_text "PAUSE_IMAGE=$name" /etc/docker/cri-dockerd.env
install_text "$CRI_DOCKERD_UNIT" /etc/systemd/system/cri-docker.service
start_unit cri-docker /etc/docker/cri-dockerd.env "$heatgen_bin/cri-dockerd"
wait_unit 30 cri-docker "cri-dockerd listens" test -S /run/cri-dockerd.sock

echo "Docker Engine $DOCKER_VERSION with cri-dockerd $CRI_DOCKERD_VERSION runs."
