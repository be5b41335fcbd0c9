# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Users and permissions in etcd, by the common name of client certificates. Sourced by the step, after members.sh.

# Lines "USER TYPE KEY"; a key that ends in / is a prefix. No user has a password.
etcd_users='kube-apiserver readwrite /registry/
flannel readwrite /coreos.com/network/
health read health
heatgen readwrite /heatgen/'

# admin ARGUMENTS...: run etcdctl as root on the local member; objects that already exist are not an error.
admin() {
    local message
    message=$(as_root https://127.0.0.1:2379 "$@" 2>&1) ||
        [[ $message == *'already exists'* || $message == *'already granted'* ]] ||
        fail "'etcdctl $*' failed: $(tail -n 1 <<<"$message")"
}

# wait_all PID...: wait for background jobs; exit if one failed, which has set the reason.
wait_all() {
    local pid
    for pid; do wait "$pid" || exit 1; done
}

# create_users: create users and permissions, then enable authentication.
create_users() {
    local user kind key jobs=()
    root_certificate >/dev/null
    while read -r user _; do
        admin user add "$user" --no-password & jobs+=($!)
        admin role add "$user" & jobs+=($!)
    done <<<"root"$'\n'"$etcd_users"
    wait_all "${jobs[@]}"
    jobs=()
    while read -r user kind key; do
        admin user grant-role "$user" "$user" & jobs+=($!)
        [ -z "$key" ] || { grant "$user" "$kind" "$key" & jobs+=($!); }
    done <<<"root"$'\n'"$etcd_users"
    wait_all "${jobs[@]}"
    admin auth enable
}

# grant ROLE TYPE KEY: grant permission for a key or a prefix.
grant() {
    local prefix=()
    [[ $3 != */ ]] || prefix=(--prefix=true)
    admin role grant-permission "${prefix[@]}" "$1" "$2" "$3"
}
