# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Start of a node's first steps: install the library that its other steps source. heatgen replaces the
# word LIBRARY by the text of step.sh. Two first steps may run concurrently.
# systemd may start only programs with the SELinux type bin_t (status 203 otherwise), and a new file has the type of its
# directory: set the type once, while the directories are empty. The policies do not agree on the type of /opt.
if [ -e /sys/fs/selinux/enforce ]; then
    (
        flock 9
        if [ ! -e /opt/heatgen/.labelled ]; then
            mkdir -p /opt/heatgen/bin /opt/heatgen/cache /opt/heatgen/lib
            chcon -R -t bin_t /opt/heatgen || [ "$(cat /sys/fs/selinux/enforce)" = 0 ]
            touch /opt/heatgen/.labelled
        fi
    ) 9>/run/heatgen-label.lock
fi
install -d -m 0755 "$HEATGEN_LIB" # also contains programs of services with other users
cat >"$HEATGEN_LIB/step.sh.$$" <<'END_OF_LIBRARY'
LIBRARY
END_OF_LIBRARY
mv "$HEATGEN_LIB/step.sh.$$" "$HEATGEN_LIB/step.sh"
