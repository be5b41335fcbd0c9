# shellcheck shell=sh
# SPDX-License-Identifier: Apache-2.0
#
# Network paths between nodes. Sourced by collect.sh, in the host probe and in the pod-network probe; its
# arguments are variables of collect.sh.
# shellcheck disable=SC2154

readonly STICKY=15 AT_LEAST=12 IN_ALL=60 QUERIES=3

# ---- from the pod ----

# own ADDRESS MTU
print_own() {
    address=$(ip -4 -o address show dev eth0 | sed -n 's#.* inet \([0-9.]*\).*#\1#p' | head -n 1)
    printf 'own %s %s\n' "$address" "$(cat /sys/class/net/eth0/mtu)"
}

# seen_as NODE POD: seen_as NODE CLIENT-ADDRESS, as the pod on that node sees it
seen_as() {
    if output=$(timeout 4 wget -q -O - "http://$2:8080/clientip" 2>/dev/null); then
        printf 'seen_as %s %s\n' "$1" "${output%:*}"
    fi
}

# request_no_endpoints ADDRESS:PORT: a line as of http_one, for a Service that must reject connections. A new
# Service may not be configured on the node yet, so timeouts are repeated.
request_no_endpoints() {
    tries=0
    while [ $tries -lt 3 ]; do
        tries=$((tries + 1))
        start=$(milliseconds)
        if output=$(timeout 3 wget -q -O - "http://$1/hostname" 2>&1); then
            printf 'nobody - %s %s ok %s\n' $tries $(($(milliseconds) - start)) "$output"
            return
        fi
        # A busy node may take long for the request itself.
        case $output in *refused*) [ $(($(milliseconds) - start)) -gt 2000 ] || break ;; esac
    done
    reason=$(printf '%s' "$output" | grep -v Terminated | tail -n 1)
    printf 'nobody - %s %s failed %s\n' $tries $(($(milliseconds) - start)) "${reason:-no answer in 3 s}"
}

# await ADDRESS:PORT: wait until the new Service responds; six seconds at most.
await() {
    begun=$(milliseconds)
    until timeout 3 wget -q -O /dev/null "http://$1/hostname" 2>/dev/null; do
        [ $(($(milliseconds) - begun)) -lt 6000 ] || return 1
        sleep 1
    done
}

# request_sticky ADDRESS:PORT: sticky ANSWER for each request; - for none. If the Service does not respond at
# all, there is one request.
request_sticky() {
    failed=0
    await "$1" || failed=1
    i=0
    while [ $i -lt $STICKY ] && [ $failed -lt 2 ]; do
        i=$((i + 1))
        output=$(timeout 3 wget -q -O - "http://$1/hostname" 2>/dev/null) || failed=$((failed + 1))
        printf 'sticky %s\n' "${output:--}"
    done
}

# request_often ADDRESS:PORT COUNT: requests COUNT FAILED SLOWEST REASON. Each request opens a connection and is
# not repeated. The series ends early after several failures or eight seconds; normal requests take milliseconds.
request_often() {
    most=3
    await "$1" || most=1
    i=0
    failed=0
    slowest=0
    reason=''
    begun=$(milliseconds)
    while [ $i -lt "$2" ] && [ $failed -lt $most ] && [ $(($(milliseconds) - begun)) -lt 8000 ]; do
        i=$((i + 1))
        start=$(milliseconds)
        if ! output=$(timeout 4 wget -q -O - "http://$1/hostname" 2>&1); then
            failed=$((failed + 1))
            reason=$(printf '%s' "$output" | grep -v Terminated | tail -n 1)
            reason=${reason:-no answer in 4 s}
        fi
        spent=$(($(milliseconds) - start))
        [ $spent -le $slowest ] || slowest=$spent
    done
    printf 'requests %s %s %s %s\n' $i $failed $slowest "$reason"
}

# query ADDRESS: query ADDRESS MILLISECONDS ok | … failed REASON
query() {
    domain=$(sed -n 's/^search.* svc\.\([^ ]*\).*/\1/p' /etc/resolv.conf)
    i=0
    while [ $i -lt $QUERIES ]; do
        i=$((i + 1))
        start=$(milliseconds)
        output=$(timeout 8 nslookup -type=a "kubernetes.default.svc.${domain:-cluster.local}" "$1" 2>&1)
        spent=$(($(milliseconds) - start))
        case $output in
            *'Name:'*) printf 'query %s %s ok\n' "$1" $spent ;;
            *)
                reason=$(printf '%s' "$output" | grep . | tail -n 1)
                printf 'query %s %s failed %s\n' "$1" $spent "${reason:-no answer in 8 s}"
                return
                ;;
        esac
    done
}

# query_metadata LINE: LINE ok, or LINE failed REASON: whether the cloud's metadata service can be reached. The request
# is invalid: the proxy with which Neutron provides the service rejects it at once, and does not call Nova, which may
# take many seconds. An established connection counts without a response as well.
query_metadata() {
    status=0
    output=$(printf 'invalid\r\n\r\n' | timeout 6 busybox nc -w 4 169.254.169.254 80 2>&1 >/dev/null) || status=$?
    if [ $status = 1 ]; then
        reason=$(printf '%s' "$output" | tail -n 1)
        printf '%s failed %s\n' "$1" "${reason:-no connection in 4 s}"
    else
        echo "$1 ok"
    fi
}

paths_from_pod() {
    print_own
    query_metadata metadata_from_pod &
    for peer in $peers; do
        name=${peer%%,*}
        rest=${peer#*,}
        ping_one pod_to_host "$name" "${rest%%,*}" &
        seen_as "$name" "${peer##*,}" &
    done
    [ -z "$neighbour" ] || ping_one neighbour "$neighbour" "$neighbour" &
    for service in $direct; do http_one direct "${service%%,*}" "${service#*,}" & done
    for server in $servers; do query "$server" & done
    [ -z "$itself" ] || http_one itself - "$itself" &
    [ -z "$no_endpoints" ] || request_no_endpoints "$no_endpoints" &
    [ -z "$sticky" ] || request_sticky "$sticky" &
    for service in $services; do
        count=$((IN_ALL / $(echo "$peers" | wc -w)))
        [ $count -ge $AT_LEAST ] || count=$AT_LEAST
        request_often "$service" $count &
    done
}

# ---- from the node ----

# frames_one NODE ADDRESS SIZE: frames NODE SIZE SENT RECEIVED PROBLEM, from the pod, by the node's ping
frames_one() {
    output=$(timeout 8 nsenter -t "$pod" -n chroot /host "$(host_path ping)" \
        -n -M 'do' -c 3 -i 0.3 -W 2 -s $(($3 - 28)) "$2" 2>&1)
    counts=$(printf '%s\n' "$output" |
        sed -n 's/^\([0-9]*\) packets transmitted, \([0-9]*\)\( packets\)* received.*/\1 \2/p')
    reason=$(printf '%s\n' "$output" | grep -i -e 'too long' -e 'frag needed' -e 'invalid' -e usage | head -n 1)
    printf 'frames %s %s %s %s\n' "$1" "$3" "${counts:-0 0}" "$reason"
}

# full_frames: the above for each peer, or no_frames REASON
full_frames() {
    if ! has ping || ! host ping -h 2>&1 | grep -q -e ' -M'; then
        echo "no_frames the node's ping cannot set Don't Fragment (ping -M do)"
    elif [ -n "$pod" ] && mtu=$(nsenter -t "$pod" -m -n cat /sys/class/net/eth0/mtu); then
        for peer in $peers; do frames_one "${peer%%,*}" "${peer##*,}" "$mtu" & done
        wait
    fi
}

# outside_one NODE ADDRESS:PORT: the client address that the pod on that node sees
outside_one() {
    http_one outside "$1" "$2" clientip
}

paths_from_host() {
    full_frames &
    query_metadata metadata_from_host &
    for peer in $peers; do
        name=${peer%%,*}
        rest=${peer#*,}
        ping_one host_to_host "$name" "${rest%%,*}" &
        [ -z "$outside" ] || outside_one "$name" "${rest%%,*}:$outside" &
    done
}

# Remaining seconds of the leases: the keys contain their IDs.
lease_seconds() {
    as_flannel
    # Without leases because of a failed request, all leases would count as expired.
    found=$(leases) || return
    for lease in $(printf '%s' "$found" | tr '{' ',' | tr ',' '\n' | sed -n 's/^"lease":\([0-9]*\).*/\1/p'); do
        etcdctl lease timetolive "$(printf '%x' "$lease")" --keys || return
    done
}

collect_paths() {
    on_host forward iptables -w 2 -S
}
