#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Install containerd and runc, start containerd, and pull the sandbox image, which every pod needs.
set -euo pipefail
# shellcheck source=hot/lib/step.sh
source "$HEATGEN_LIB/step.sh"

evict=()
if program_changes containerd "$CONTAINERD_VERSION" || program_changes runc "$RUNC_VERSION"; then evict=(--evict); fi
by_turn "${evict[@]}" "$CONTAINERD_ARTIFACT" "$RUNC_ARTIFACT"
folder=$(unpack "$CONTAINERD_ARTIFACT" containerd "$CONTAINERD_VERSION")
runc=$(program "$RUNC_ARTIFACT" runc "$RUNC_VERSION" runc) || exit 1

registry_mirror "$ARTIFACTS_REGISTRY" /etc/containerd/certs.d
install_text "$CONTAINERD_CONFIG" /etc/containerd/config.toml
install_text "$CONTAINERD_UNIT" /etc/systemd/system/containerd.service
start_unit containerd --link "$folder/bin/containerd" --link "$folder/bin/containerd-shim-runc-v2" \
    --link "$folder/bin/ctr" --link "$runc" /etc/containerd/config.toml "$heatgen_bin/containerd"

ctr() {
    "$heatgen_bin/ctr" --namespace k8s.io "$@"
}
wait_unit 60 containerd "containerd responds" ctr version
# The CRI plug-in stores an image with tag and digest under its digest only.
name=${PAUSE_IMAGE%%@*}
image=${name%:*}${PAUSE_IMAGE#"$name"}
if ! grep -qxF "$image" <<<"$(ctr images list --quiet)"; then
    message=$(ctr images pull --hosts-dir /etc/containerd/certs.d "$image" 2>&1 >/dev/null) ||
        fail "cannot pull the sandbox image $PAUSE_IMAGE: $(tail -n 1 <<<"$message")"
fi

echo "containerd $CONTAINERD_VERSION with runc $RUNC_VERSION is running."
