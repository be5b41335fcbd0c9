#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Run a step as a node would, but on a copy of the system folders that is gone afterwards.
# usage: sandbox.sh FOLDER COMMAND...   FOLDER keeps /etc, /opt and /var between calls.
# HEATGEN_HOSTNAME in the environment is the node's name.
set -euo pipefail
folder=$1
shift
if [ -z "${HEATGEN_IN_SANDBOX:-}" ]; then
    export HEATGEN_IN_SANDBOX=1
    map=()
    [ "$(id -u)" = 0 ] || map=(--map-root-user)
    exec unshare --mount --uts "${map[@]}" "$0" "$folder" "$@"
fi
[ -z "${HEATGEN_HOSTNAME:-}" ] || hostname "$HEATGEN_HOSTNAME"
for system in etc opt var run; do
    mkdir -p "$folder/$system/upper" "$folder/$system/work"
    mount -t overlay -o "lowerdir=/$system,upperdir=$folder/$system/upper,workdir=$folder/$system/work,userxattr" \
        overlay "/$system"
done
exec "$@"
