# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# At the head of a node's first steps: install the library that its other steps source. heatgen puts the
# text of step.sh in place of the word LIBRARY. Two first steps may do so at the same time.
install -d -m 0755 "$HEATGEN_LIB" # programs for services of other users lie there, too
cat >"$HEATGEN_LIB/step.sh.$$" <<'END_OF_LIBRARY'
LIBRARY
END_OF_LIBRARY
mv "$HEATGEN_LIB/step.sh.$$" "$HEATGEN_LIB/step.sh"
