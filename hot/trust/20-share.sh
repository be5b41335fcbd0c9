#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Hand what the control-plane servers share to all of them, sealed: so a new one, the first too, gets it.
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

[ "$sealed" = none ] && what='has no authorities to share yet' || what='shares its authorities, sealed'
echo "$(node_name) $what."
