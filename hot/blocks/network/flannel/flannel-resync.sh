#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Start flanneld anew when its watch of etcd was broken off and etcd has compacted what it missed, as
# when the member it watched is lost. flannel 0.28 then takes its own lease for a removed one and tries
# for two and a half minutes to take that node away, before it hears of any other. A restart takes a
# second, and the data path stays meanwhile.
set -uo pipefail

journalctl --follow --unit flanneld.service --lines 0 --output cat | while read -r line; do
    if [[ $line == *'fell behind compaction horizon'* ]]; then
        echo "flanneld lost its watch of etcd: starting it anew"
        systemctl restart flanneld.service
        sleep 30 # never a storm of restarts
    fi
done
