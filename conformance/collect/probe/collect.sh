#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Prints the facts of one node as framed sections of plain text for conformance/collect/parse_node.py.
#
#   collect.sh node RUN KEY=VALUE...   in the host probe: host network and processes, the node's root at /host
#   collect.sh pod  RUN KEY=VALUE...   in the pod-network probe, which the first form enters: only the lines
#                                      of the section network
#
# Keys; each may be repeated:
#   peer=NODE,ADDRESS,POD         a node, its address, the address of its pod-network probe
#   service=ADDRESS:PORT          a ClusterIP to request      node_port=PORT   a NodePort to request on every peer
#   lookup=NAME                   a Service to resolve, as NAME.NAMESPACE.svc
#   unit=NAME                     a systemd unit
#   prefix=PATH                   flannel's prefix in etcd
#   etcd=ENDPOINT                 endpoint of this node's etcd member, if it has one
#   backup=PATH                   status file of this node's backups of etcd
#   usual_etcd=ENDPOINT           its default endpoint, if neither etcd= nor the flags of etcd are set
#   quick=1                       skip slow sections
#   identity=CA,CERTIFICATE,KEY   files of an etcd client; the first that exists on the node is used
#   api=URL                       an API server to query    own_api=URL      the one on this node, if any
#   authority=CA                  the cluster's CA; the first file that exists on the node is used
#   tls=LABEL,ADDRESS:PORT        a TLS port of this node: api, kubelet, etcd or peer
#   program=NAME                  a cluster component        flag=NAME       a flag of components to print
#   tree=PATH                     files whose modes and owners to print
#   certificate=PATH              a certificate of this node
#   component=NAME                a process whose memory and open files to print
#   secret=NAMESPACE/NAME,VALUE   a Secret to read from etcd, and its value
#   neighbour=ADDRESS             another pod on this node
#   direct=NODE,ADDRESS:PORT      a Service whose only pod is on that node
#   itself=ADDRESS:PORT           a Service whose endpoint is the probe's own pod
#   no_endpoints=ADDRESS:PORT     a Service without pods   sticky=ADDRESS:PORT   one with session affinity
#   outside=PORT                  a NodePort with externalTrafficPolicy Local
#   server=ADDRESS                a name server to query   ttl=yes          print the remaining time of leases
#
# POSIX sh and busybox only; the node's own tools are run by chroot, and may not exist. Every command has
# a timeout. Each section is
#   @@RUN begin NAME / output of the command / @@RUN end NAME STATUS LAST-LINE-OF-STDERR
# with status 127 where the node has no such tool.
set -u
export LC_ALL=C

mode=$1
run=$2
shift 2

readonly FOLDERS='/opt/heatgen/bin /usr/local/sbin /usr/local/bin /usr/sbin /usr/bin /sbin /bin /opt/bin'

peers='' services='' node_ports='' lookups='' units='' identities='' etcd='' prefix=/coreos.com/network
apis='' own_api='' usual_etcd='' backup='' quick='' authorities='' ports='' programs='' trees='' certificates='' secret=''
components=''
neighbour='' direct='' itself='' no_endpoints='' sticky='' outside='' servers='' ttl=''
# Flags that this script itself uses.
flags='etcd-cafile etcd-certfile etcd-keyfile etcd-endpoints etcd-prefix audit-log-path kubeconfig'
flags="$flags cert-file key-file trusted-ca-file peer-cert-file peer-key-file peer-trusted-ca-file"
flags="$flags advertise-client-urls initial-advertise-peer-urls"
for argument in "$@"; do
    value=${argument#*=}
    case $argument in
        peer=*) peers="$peers $value" ;;
        service=*) services="$services $value" ;;
        node_port=*) node_ports="$node_ports $value" ;;
        lookup=*) lookups="$lookups $value" ;;
        unit=*) units="$units $value" ;;
        identity=*) identities="$identities $value" ;;
        etcd=*) etcd=$value ;;
        usual_etcd=*) usual_etcd=$value ;;
        backup=*) backup=$value ;;
        quick=*) quick=$value ;;
        prefix=*) prefix=$value ;;
        api=*) apis="$apis $value" ;;
        own_api=*) own_api=$value ;;
        authority=*) authorities="$authorities $value" ;;
        tls=*) ports="$ports $value" ;;
        program=*) programs="$programs $value" ;;
        component=*) components="$components $value" ;;
        flag=*) flags="$flags $value" ;;
        tree=*) trees="$trees $value" ;;
        certificate=*) certificates="$certificates $value" ;;
        secret=*) secret=$value ;;
        neighbour=*) neighbour=$value ;;
        direct=*) direct="$direct $value" ;;
        itself=*) itself=$value ;;
        no_endpoints=*) no_endpoints=$value ;;
        sticky=*) sticky=$value ;;
        outside=*) outside=$value ;;
        server=*) servers="$servers $value" ;;
        ttl=*) ttl=$value ;;
    esac
done

exec 3>&1
asides=0

# section NAME COMMAND...: print the command's output, its exit status and its last line of stderr.
section() {
    name=$1
    shift
    printf '@@%s begin %s\n' "$run" "$name" >&3
    status=0
    problem=$("$@" 2>&1 >&3) || status=$?
    printf '\n@@%s end %s %s %s\n' "$run" "$name" "$status" "$(printf '%s' "$problem" | tail -n 1)" >&3
}

# aside COMMAND...: run a command that prints sections in the background; gather prints them.
aside() {
    asides=$((asides + 1))
    apart "$scratch/$asides" "$@" &
}

# apart FILE COMMAND...: write its sections to a file; FILE.more is for its own background commands.
apart() {
    exec 3>"$1"
    scratch=$1.more
    asides=0
    mkdir "$scratch"
    shift
    "$@"
}

# gather: wait for the background commands and print their sections.
gather() {
    wait
    while [ "$asides" -gt 0 ]; do
        cat "$scratch/$asides" >&3
        rm -r "${scratch:?}/$asides" "$scratch/$asides.more"
        asides=$((asides - 1))
    done
}

# host_path TOOL: print the full path of a tool on the node. With a bare name, busybox would run its own
# applet. The target of a link may exist only inside the chroot.
host_path() {
    for folder in $FOLDERS; do
        if [ -e "/host$folder/$1" ] || [ -L "/host$folder/$1" ]; then
            echo "$folder/$1"
            return 0
        fi
    done
    return 1
}

has() {
    host_path "$1" >/dev/null
}

# within SECONDS TOOL ARGUMENT...: run one of the node's own tools with a timeout.
within() {
    limit=$1
    tool=$(host_path "$2")
    shift 2
    timeout "$limit" chroot /host "$tool" "$@"
}

# host TOOL ARGUMENT...: the same with a timeout of 5 seconds.
host() {
    within 5 "$@"
}

# inside TOOL ARGUMENT...: as host, but in the node's mount namespace, with the node's /proc.
inside() {
    tool=$(host_path "$1")
    shift
    timeout 6 nsenter -t 1 -m "$tool" "$@"
}

# on_host NAME TOOL ARGUMENT...: print a section with the output of one of the node's tools, if it exists.
on_host() {
    name=$1
    shift
    if has "$1"; then section "$name" host "$@"; else absent "$name" "the node has no $1"; fi
}

absent() {
    printf '@@%s begin %s\n\n@@%s end %s 127 %s\n' "$run" "$1" "$run" "$1" "$2" >&3
}

milliseconds() {
    read -r up _ </proc/uptime
    printf '%s0' "${up%.*}${up#*.}"
}

# process NAME: print its PID. The kernel truncates names to fifteen characters.
process() {
    grep -lsx "$(printf '%.15s' "$1")" /proc/[0-9]*/comm | head -n 1 | sed 's#/proc/\([0-9]*\)/comm#\1#'
}

# print_program NAME: its user, and those of its flags that are in $flags, as
#   program NAME USER / flag NAME FLAG VALUE
# A flag is set as -FLAG VALUE, -FLAG=VALUE, -FLAG, or as NAME_FLAG in the environment.
print_program() {
    pid=$(process "$1")
    [ -n "$pid" ] || return 0
    id=$(sed -n 's/^Uid:[[:space:]]*\([0-9]*\).*/\1/p' "/proc/$pid/status")
    user=$(awk -F: -v id="$id" '$3 == id { print $1; exit }' /host/etc/passwd)
    printf 'program %s %s\n' "$1" "${user:-$id}"
    variable=$(printf '%s_' "$1" | tr 'a-z-' 'A-Z_')
    {
        tr '\0' '\n' <"/proc/$pid/cmdline" | awk '
            name != "" { value = /^-/ ? "true" : $0; print name, value; name = ""; if (value == $0) next }
            /^-/ {
                sub(/^--?/, "")
                i = index($0, "=")
                if (i) print substr($0, 1, i - 1), substr($0, i + 1)
                else name = $0
            }
            END { if (name != "") print name, "true" }'
        tr '\0' '\n' <"/proc/$pid/environ" | awk -v prefix="$variable" '
            index($0, prefix) == 1 {
                i = index($0, "=")
                name = tolower(substr($0, length(prefix) + 1, i - length(prefix) - 1))
                gsub("_", "-", name)
                print name, substr($0, i + 1)
            }'
    } | awk -v program="$1" -v wanted=" $flags " 'index(wanted, " " $1 " ") { print "flag", program, $0 }'
}

print_programs() {
    for program in $programs; do print_program "$program"; done
}

# flag_of PROGRAM FLAG: print the value of a flag; nothing if it is not set.
flag_of() {
    printf '%s\n' "$running_programs" | sed -n "s/^flag $1 $2 //p" | head -n 1
}

# ---- network: one line for each result, all measurements in parallel ----

# echoes OUTPUT: print SENT RECEIVED of ping's summary. Busybox may print two summaries if the next request
# is due while it exits.
echoes() {
    printf '%s\n' "$1" |
        sed -n 's/^\([0-9]*\) packets transmitted, \([0-9]*\)\( packets\)* received.*/\1 \2/p' | tail -n 1
}

# ping_one KIND NODE ADDRESS: KIND NODE SENT RECEIVED MILLISECONDS LEAST
# Each request follows the previous reply, or a short timeout; with -w ping ends with the fifth reply,
# however many requests that takes.
ping_one() {
    output=$(ping -q -c 5 -A -W 2 -w 5 "$3" 2>&1)
    counts=$(echoes "$output")
    # A busy machine loses single packets; a lossy path loses some of a longer series, too.
    if [ "${counts#* }" -gt 0 ] 2>/dev/null && [ "${counts#* }" -lt 5 ]; then
        output=$(ping -q -c 25 -A -W 2 -w 8 "$3" 2>&1)
        counts=$(echoes "$output")
    fi
    times=$(printf '%s\n' "$output" | sed -n 's#.*min/avg/max[^=]*= \([0-9.]*\)/\([0-9.]*\)/.*#\2 \1#p' | tail -n 1)
    printf '%s %s %s %s\n' "$1" "$2" "${counts:-0 0}" "${times:-- -}"
}

# http_one KIND LABEL ADDRESS:PORT [PATH]: KIND LABEL TRIES MILLISECONDS ok HOSTNAME | … failed REASON
# A new Service takes a few seconds to reach every node, so failed requests are repeated, and the number of
# tries is printed. wget opens a connection for each request, so that no old one hides a new rule.
http_one() {
    tries=0
    begun=$(milliseconds)
    while :; do
        tries=$((tries + 1))
        start=$(milliseconds)
        if output=$(timeout 3 wget -q -O - "http://$3/${4:-hostname}" 2>&1); then
            printf '%s %s %s %s ok %s\n' "$1" "$2" "$tries" $(($(milliseconds) - start)) "$output"
            return
        fi
        [ $(($(milliseconds) - begun)) -lt 6000 ] || break
        sleep 1
    done
    reason=$(printf '%s' "$output" | grep -v Terminated | tail -n 1)
    spent=$(($(milliseconds) - begun))
    printf '%s %s %s %s failed %s\n' "$1" "$2" "$tries" "$spent" "${reason:-no answer in 3 s}"
}

# lookup_one NAME: lookup NAME MILLISECONDS ok ADDRESS... | … failed REASON
lookup_one() {
    domain=$(sed -n 's/^search.* svc\.\([^ ]*\).*/\1/p' /etc/resolv.conf)
    start=$(milliseconds)
    output=$(timeout 6 nslookup -type=a "$1.${domain:-cluster.local}" 2>&1)
    spent=$(($(milliseconds) - start))
    found=$(printf '%s\n' "$output" | sed -n '/^Name:/,$ s/^Address[^:]*:[ \t]*//p' | tr '\n' ' ')
    if [ -n "$found" ]; then
        printf 'lookup %s %s ok %s\n' "$1" "$spent" "$found"
    else
        reason=$(printf '%s' "$output" | grep . | tail -n 1)
        printf 'lookup %s %s failed %s\n' "$1" "$spent" "${reason:-no answer in 6 s}"
    fi
}

# ping_peers KIND
ping_peers() {
    for peer in $peers; do ping_one "$1" "${peer%%,*}" "${peer##*,}" & done
}

# request_services KIND
request_services() {
    for service in $services; do http_one "$1" "$service" "$service" & done
}

request_node_ports() {
    for port in $node_ports; do
        for peer in $peers; do
            address=${peer#*,}
            http_one node_port "${peer%%,*}" "${address%%,*}:$port" &
        done
    done
}

# Measurements from the pod, with its own /etc/resolv.conf.
measure_from_pod() {
    ping_peers pod_ping
    request_services pod_http
    for lookup in $lookups; do lookup_one "$lookup" & done
    paths_from_pod
    sed -n 's/^nameserver */nameserver /p' /etc/resolv.conf
    wait
}

measure_from_host() {
    ping_peers host_ping
    request_services host_http
    request_node_ports
    paths_from_host
    wait
}

# The process of the pod-network probe is found by an environment variable with the run ID.
probe_pod() {
    grep -ls "CONFORMANCE_PROBE=$run" /proc/[0-9]*/environ | head -n 1 | sed 's#/proc/\([0-9]*\)/.*#\1#'
}

enter_pod() {
    if [ -z "$pod" ]; then
        echo "pod_problem no process of the pod-network probe is on this node"
    elif ! problem=$(nsenter -t "$pod" -m -n sh /probe/collect.sh pod "$run" "$@" 2>&1 >&4); then
        printf 'pod_problem %s\n' "$problem"
    fi
}

measure_network() {
    measure_from_host &
    enter_pod "$@" 4>&1 &
    wait
}

# ---- the node ----

sysctls() {
    for name in net/ipv4/ip_forward net/bridge/bridge-nf-call-iptables; do
        if [ -r /proc/sys/$name ]; then
            printf '%s %s\n' "$name" "$(cat /proc/sys/$name)"
        fi
    done
}

file() {
    if [ -e "$1" ]; then cat "$1"; else echo "no such file: ${1#/host}" >&2 && return 2; fi
}

# upstream_nameservers: those of this pod. In the host network it has dnsPolicy Default, so the kubelet copies
# them from its resolver file on the node.
upstream_nameservers() {
    sed -n 's/^nameserver[[:space:]]*//p' /etc/resolv.conf
}

# vxlan_device: print the name of flannel's VXLAN device, flannel.VNI.
vxlan_device() {
    device=$(sed -n 's/^ *\(flannel\.[0-9]*\):.*/\1/p' /proc/net/dev | head -n 1)
    echo "${device:-flannel.1}"
}

collect_network() {
    section subnet_env file /host/run/flannel/subnet.env
    on_host links ip -json -details address show
    on_host routes ip -json route show
    device=$(vxlan_device)
    on_host fdb bridge -json fdb show dev "$device"
    on_host neighbours ip -json neighbour show dev "$device"
    section sysctls sysctls
    section upstream_nameservers upstream_nameservers
}

# http_code LABEL CURL-ARGUMENT...: LABEL HTTP-CODE (000: no answer) CURL-STATUS
http_code() {
    label=$1
    shift
    status=0
    code=$(host curl --silent --output /dev/null --write-out '%{http_code}' --max-time 4 "$@") || status=$?
    printf '%s %s %s\n' "$label" "${code:-000}" "$status"
}

# client_port_codes: whether etcd's client port requires a certificate. The first request shows that it answers.
client_port_codes() {
    rest=${etcd#*://}
    http_code certificate --cacert "$ca" --cert "$certificate" --key "$key" "https://$rest/version"
    http_code no-certificate --insecure "https://$rest/version"
    http_code plain "http://$rest/version"
}

# locate_etcd: set the client and peer endpoints of this node's member from its flags.
locate_etcd() {
    urls=$(flag_of etcd advertise-client-urls)
    etcd=${etcd:-${urls%%,*}}
    etcd=${etcd:-$usual_etcd}
    peers_url=$(flag_of etcd initial-advertise-peer-urls)
    moved=''
    for port in $ports; do
        case $port in
            etcd,*) port=etcd,${etcd#*://} ;;
            peer,*) [ -z "$peers_url" ] || port=peer,${peers_url#*://} ;;
        esac
        moved="$moved $port"
    done
    ports=$moved
}

# identity: set ca, certificate and key to the first identity whose files exist on this node, else to that
# of the API server.
identity() {
    for identity in $identities; do
        ca=${identity%%,*}
        key=${identity##*,}
        certificate=${identity#*,}
        certificate=${certificate%,*}
        if [ -r "/host$key" ] && [ -r "/host$certificate" ]; then return 0; fi
    done
    client_of kube-apiserver && [ -r "/host$key" ]
}

# client_of PROGRAM: set ca, certificate and key to those that it uses for etcd.
client_of() {
    ca=$(flag_of "$1" etcd-cafile)
    certificate=$(flag_of "$1" etcd-certfile)
    key=$(flag_of "$1" etcd-keyfile)
    [ -n "$key" ]
}

# An election takes a second or two, and so may a TLS handshake on a busy node.
client() {
    within 9 etcdctl --endpoints="$etcd" --cacert="$ca" --cert="$certificate" --key="$key" \
        --dial-timeout=4s --command-timeout=6s "$@"
}

etcdctl() {
    client --write-out=json "$@"
}

# runs_etcd: whether a member runs on this node.
runs_etcd() {
    [ -n "$etcd" ] && [ -n "$(process etcd)" ]
}

# In parallel, because a member with a slow disk takes seconds for each response; but in groups, because
# each request is a process of its own, and small nodes have one core.
collect_etcd() {
    runs_etcd || return 0
    section etcd_endpoint echo "$etcd"
    if ! identity; then
        absent etcd_tools "no etcd client key in kube-apiserver's flags or among:$identities"
    elif ! has etcdctl; then
        absent etcd_tools "the node has no etcdctl"
    else
        aside section etcd_health etcdctl endpoint health
        aside section etcd_status etcdctl endpoint status
        aside section etcd_members etcdctl member list
        aside section etcd_alarms etcdctl alarm list
        gather
        collect_store
    fi
    if ! identity || ! has curl; then
        absent 'etcd_doors' "the node has no curl, or no etcd client key"
    else
        aside section 'etcd_doors' client_port_codes
    fi
    if has etcdctl; then
        aside section etcd_rights rights
        aside section etcd_at_rest at_rest
    fi
    collect_leases
    gather
}

# may LABEL PREFIX: whether this client may read keys under the prefix: LABEL PREFIX allowed | denied | REASON
# The keys are discarded.
may() {
    if output=$(etcdctl get "$2" --prefix --keys-only --limit 1 2>&1 >/dev/null); then
        result=allowed
    else
        case $output in
            *'permission denied'*) result=denied ;;
            *) result="failed: $(printf '%s' "$output" | tail -n 1)" ;;
        esac
    fi
    printf '%s %s %s\n' "$1" "$2" "$result"
}

# Read access of each client of etcd, with its own certificate. The last client has the member's own
# certificate, which etcd's CA has signed, but its name is not a user of etcd.
rights() {
    registry=$(flag_of kube-apiserver etcd-prefix)
    registry=${registry:-/registry}
    for client in kube-apiserver flanneld; do
        if client_of "$client"; then
            may "$client" "$registry/" &
            may "$client" "$prefix/" &
        fi
    done
    if identity; then
        may health "$registry/" &
        may health "$prefix/" &
    fi
    certificate=$(flag_of etcd cert-file)
    key=$(flag_of etcd key-file)
    ca=$(flag_of etcd trusted-ca-file)
    if [ -n "$key" ]; then
        may 'stranger' "$registry/" &
        may 'stranger' "$prefix/" &
    fi
    wait
}

# How the run's own Secret is stored in etcd: lines of KEY VALUE. The raw value is not printed.
at_rest() {
    client_of kube-apiserver || {
        echo "kube-apiserver's flags contain no etcd client key" >&2
        return 127
    }
    registry=$(flag_of kube-apiserver etcd-prefix)
    at=${registry:-/registry}/secrets/${secret%%,*}
    raw=$scratch/raw # a file, because it may contain NUL bytes
    client get "$at" --print-value-only >"$raw" || return 1
    printf 'size %s\n' "$(wc -c <"$raw")"
    printf 'prefix %s\n' "$(head -c 80 "$raw" | sed -n '1s/^\(k8s:enc:[a-z]*:v[0-9]*:[^:]*\):.*/\1/p')"
    if grep -q "${secret##*,}" "$raw"; then echo 'plain yes'; else echo 'plain no'; fi
}

# Use flannel's own client certificate and endpoints for its leases, if its flags contain them.
as_flannel() {
    if [ -n "$(flag_of flanneld etcd-keyfile)" ]; then
        client_of flanneld
        etcd=$(flag_of flanneld etcd-endpoints)
    fi
}

leases() {
    as_flannel
    etcdctl get --prefix "$prefix/subnets/"
}

collect_leases() {
    if has etcdctl && identity; then
        aside section leases leases
        [ -z "$ttl" ] || aside section lease_seconds lease_seconds
    fi
}

# shellcheck disable=SC2086 # the units are words
unit_states() {
    timeout 5 nsenter -t 1 -m "$(host_path systemctl)" show \
        --property=Id,LoadState,ActiveState,SubState,UnitFileState $units
}

collect_node() {
    scratch=$(mktemp -d /tmp/asides.XXXXXX)
    trap 'rm -rf "$scratch"' EXIT
    section clock_begin clock
    running_programs=$(print_programs)
    section programs printf '%s\n' "$running_programs"
    section etcd_process process etcd
    section flanneld_process process flanneld
    [ -z "$(process etcd)" ] || locate_etcd
    [ -z "$backup" ] || section backups print_backups
    aside collect_etcd
    collect_network
    if has systemctl; then section units unit_states; else absent units "the node has no systemctl"; fi
    pod=$(probe_pod)
    section network measure_network "$@"
    collect_paths
    gather
    aside collect_api
    [ -n "$quick" ] || collect_hardening
    collect_runtime
    section components print_components
    collect_machine
    gather
    if runs_etcd && identity && has etcdctl; then collect_etcd_later; fi
    section clock_end clock
}

# shellcheck source=conformance/collect/probe/network.sh
. /probe/network.sh
# shellcheck source=conformance/collect/probe/security.sh
[ "$mode" = pod ] || . /probe/security.sh
# shellcheck source=conformance/collect/probe/components.sh
[ "$mode" = pod ] || . /probe/components.sh
# shellcheck source=conformance/collect/probe/machine.sh
[ "$mode" = pod ] || . /probe/machine.sh
# shellcheck source=conformance/collect/probe/etcd.sh
[ "$mode" = pod ] || . /probe/etcd.sh

case $mode in
    node) collect_node "$@" ;;
    pod) measure_from_pod ;;
esac
