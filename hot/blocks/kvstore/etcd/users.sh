# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Who may do what in etcd, by the name in the client's certificate. Sourced by the step, after members.sh.

# Lines "USER TYPE KEY", a key that ends in / stands for all below it. No user has a password.
etcd_users='kube-apiserver readwrite /registry/
flannel readwrite /coreos.com/network/
health read health
heatgen readwrite /heatgen/'

# admin ARGUMENTS...: as etcd's administrator at this server; what is there already is no failure.
admin() {
    local said
    said=$(as_root https://127.0.0.1:2379 "$@" 2>&1) ||
        [[ $said == *'already exists'* || $said == *'already granted'* ]] ||
        fail "etcd refuses '$*': $(tail -n 1 <<<"$said")"
}

# all_done PID...: wait for work that runs side by side; the first that failed has said why.
all_done() {
    local pid
    for pid; do wait "$pid" || exit 1; done
}

# agree_users: the users and their rights, then nobody without them.
agree_users() {
    local user kind key jobs=()
    root_certificate >/dev/null
    while read -r user _; do
        admin user add "$user" --no-password & jobs+=($!)
        admin role add "$user" & jobs+=($!)
    done <<<"root"$'\n'"$etcd_users"
    all_done "${jobs[@]}"
    jobs=()
    while read -r user kind key; do
        admin user grant-role "$user" "$user" & jobs+=($!)
        [ -z "$key" ] || { grant "$user" "$kind" "$key" & jobs+=($!); }
    done <<<"root"$'\n'"$etcd_users"
    all_done "${jobs[@]}"
    admin auth enable
}

# grant ROLE TYPE KEY: the right to a key, or to all below it.
grant() {
    local prefix=()
    [[ $3 != */ ]] || prefix=(--prefix=true)
    admin role grant-permission "${prefix[@]}" "$1" "$2" "$3"
}
