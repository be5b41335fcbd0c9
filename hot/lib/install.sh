# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Start of a node's first steps: install the library that its other steps source. heatgen replaces the
# word LIBRARY by the text of step.sh. Two first steps may run concurrently.
install -d -m 0755 "$HEATGEN_LIB" # also contains programs of services with other users
cat >"$HEATGEN_LIB/step.sh.$$" <<'END_OF_LIBRARY'
LIBRARY
END_OF_LIBRARY
mv "$HEATGEN_LIB/step.sh.$$" "$HEATGEN_LIB/step.sh"
