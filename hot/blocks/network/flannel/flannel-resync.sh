#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Restart flanneld when its etcd watch was interrupted and etcd has compacted the missed events, for example after
# the loss of a member. In that case flannel 0.28 treats its own lease as deleted, and retries its removal for two
# and a half minutes before it processes other events. A restart takes a second; the data path is not affected.
set -uo pipefail

journalctl --follow --unit flanneld.service --lines 0 --output cat | while read -r line; do
    if [[ $line == *'fell behind compaction horizon'* ]]; then
        echo "flanneld has lost its etcd watch; restarting it"
        systemctl restart flanneld.service
        sleep 30 # limit the rate of restarts
    fi
done
