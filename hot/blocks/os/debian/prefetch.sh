#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Fetch the node's artifacts ahead of the layers that need them; they check the sums.
set -uo pipefail
cache=/opt/heatgen/cache
mkdir -p $cache
while read -r url sum; do
    (
        flock 9
        [ -e "$cache/$sum" ] && exit 0
        file=$cache/$sum.part
        curl --fail --silent --location --connect-timeout 5 --max-time 300 --output "$file" "$url" || exit 1
        seen=$(openssl dgst -sha256 -r "$file")
        [ "${seen%% *}" != "$sum" ] || mv "$file" "$cache/$sum"
    ) 9>"$cache/$sum.lock"
done </opt/heatgen/artifacts
