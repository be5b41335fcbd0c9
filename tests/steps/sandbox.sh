#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Run a command on a temporary overlay of the system directories.
# usage: sandbox.sh DIRECTORY COMMAND...   DIRECTORY stores changes to /etc, /opt, /var and /run between calls.
# HEATGEN_HOSTNAME in the environment sets the host name.
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
