#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Output the shared state, sealed for all control-plane nodes, so that a replaced node, also the first, receives it.
set -euo pipefail
# shellcheck source=hot/lib/step.sh
source "$HEATGEN_LIB/step.sh"
# shellcheck source=hot/trust/shared.sh
source "$(input_file SHARED)"

sealed=none
if [ -e "$state/current/version" ]; then
    sealed=$(seal "$state/current" "$(input_file ENVELOPES.d)") || fail "cannot seal the authorities"
fi
output sealed "$sealed"

[ "$sealed" = none ] && result='has no authorities to share yet' || result='shares its authorities, sealed'
echo "$(node_name) $result."
