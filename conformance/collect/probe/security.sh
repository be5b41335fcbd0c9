# shellcheck shell=sh
# SPDX-License-Identifier: Apache-2.0
#
# Hardening of the node, and settings of its container runtime. Sourced by collect.sh; POSIX sh and busybox
# only. Its arguments are variables of collect.sh.
# shellcheck disable=SC2154

# ---- API servers and kubelet ----

# curl_line ARGUMENT...: HTTP-CODE MILLISECONDS REASON; code 000 where there was no answer.
curl_line() {
    start=$(milliseconds)
    output=$(inside curl --silent --show-error --output /dev/null --write-out '%{http_code}\n' --max-time 5 "$@" 2>&1)
    code=$(printf '%s\n' "$output" | grep -x '[0-9][0-9][0-9]' | tail -n 1)
    reason=$(printf '%s\n' "$output" | grep -vx '[0-9][0-9][0-9]' | tail -n 1)
    printf '%s %s %s\n' "${code:-000}" "$(($(milliseconds) - start))" "$reason"
}

# The pod's own token, which has no rights. curl reads it from standard input, because command lines are
# visible to other processes.
with_token() {
    {
        printf 'Authorization: Bearer '
        cat /access/token
    } | curl_line --header @- --cacert "/proc/$$/root/access/ca.crt" "$1"
}

# Repeated for up to twelve seconds: /readyz fails as soon as etcd has not answered for two, as while
# the disk or a virtual machine stalls. A server that does not answer at all is given seven.
ready_line() {
    begun=$(milliseconds)
    while line=$(with_token "$1"); do
        case $line in
            200* | 401* | 403*) break ;;
            000*) patience=7000 ;;
            *) patience=12000 ;;
        esac
        if [ $(($(milliseconds) - begun)) -gt "$patience" ]; then break; fi
        sleep 2
    done
    echo "$line"
}

# query_api URL: URL token CODE MILLISECONDS REASON, and the same without credentials.
query_api() {
    printf '%s token %s\n' "$1" "$(ready_line "$1/readyz")"
    printf '%s anonymous %s\n' "$1" "$(curl_line --insecure "$1/readyz")"
}

# The API server's URL in the kubelet's kubeconfig.
endpoint() {
    file=$(flag_of kubelet kubeconfig)
    sed -n "s/.*server\"\{0,1\}: *[\"']\{0,1\}\(https:[^\"', }]*\).*/\1/p" "/host${file:-/etc/kubernetes/kubelet.kubeconfig}" 2>/dev/null |
        head -n 1
}

query_apis() {
    for url in $(echo "$apis $(endpoint)" | tr ' ' '\n' | sort -u); do query_api "$url" & done
    wait
}

collect_api() {
    if [ -n "$(endpoint)" ]; then
        section endpoint endpoint
    else
        absent endpoint "the kubelet's flags name no kubeconfig with a server"
    fi
    if ! has curl; then
        absent api "the node has no curl"
    elif [ ! -s /access/token ] || [ ! -s /access/ca.crt ]; then
        absent api "the probe has no token, or the cluster has no kube-root-ca.crt"
    else
        section api query_apis
    fi
}

# The kubelet's port without credentials, and its obsolete read-only port.
kubelet_port_codes() {
    kubelet=$(address_of kubelet)
    printf 'anonymous %s\n' "$(curl_line --insecure "https://$kubelet/pods")"
    printf 'read_only %s\n' "$(curl_line "http://${kubelet%:*}:10255/pods")"
}

# ---- open ports ----

listeners() {
    awk '$4 == "0A" { print $2 }' /proc/net/tcp /proc/net/tcp6
}

# ---- files ----

# MODE OWNER KIND PATH of each file, without trees that do not exist, which are errors for find.
print_files() {
    existing=''
    for tree in $trees; do
        if [ -e "/host$tree" ]; then existing="$existing $tree"; fi
    done
    [ -n "$existing" ] || return 0
    # shellcheck disable=SC2086 # the trees are words
    host find $existing -maxdepth 5 -printf '%m %u %y %p\n' 2>/dev/null | head -n 800
}

# ---- TLS ----

# Ciphers that must be rejected; OpenSSL ignores names that it does not know.
WEAK=ECDHE-RSA-AES128-SHA:ECDHE-RSA-AES256-SHA:ECDHE-ECDSA-AES128-SHA:ECDHE-ECDSA-AES256-SHA
WEAK=$WEAK:ECDHE-RSA-AES128-SHA256:ECDHE-ECDSA-AES128-SHA256:AES128-GCM-SHA256:AES256-GCM-SHA384
WEAK=$WEAK:AES128-SHA:AES256-SHA:AES128-SHA256:AES256-SHA256:DES-CBC3-SHA:RC4-SHA

address_of() {
    for port in $ports; do
        if [ "${port%%,*}" = "$1" ]; then echo "${port##*,}"; fi
    done
}

# authority LABEL: print the file of the CA that signs the certificate of this port.
authority() {
    case $1 in
        etcd) flag_of etcd trusted-ca-file ;;
        peer) flag_of etcd peer-trusted-ca-file ;;
        *) cluster_authority ;;
    esac
}

cluster_authority() {
    for file in $authorities; do
        if [ -s "/host$file" ]; then echo "$file" && return 0; fi
    done
}

# hello LABEL ARGUMENT...: print openssl's output of a handshake; with etcd's own certificate for its ports.
hello() {
    case $1 in
        etcd) set -- "$@" -cert "$(flag_of etcd cert-file)" -key "$(flag_of etcd key-file)" ;;
        peer) set -- "$@" -cert "$(flag_of etcd peer-cert-file)" -key "$(flag_of etcd peer-key-file)" ;;
    esac
    to=$(address_of "$1")
    shift
    host openssl s_client -connect "$to" "$@" </dev/null 2>&1
}

# query_tls LABEL ARGUMENT...: set `output` to that of hello. The first handshake of a port that ends without
# any answer is repeated, because a busy node may exceed the time limit once.
query_tls() {
    output=$(hello "$@")
    if [ "$repeats" = 0 ] || printf '%s\n' "$output" | grep -q -i -e '^New, ' -e alert -e error -e refused; then
        return
    fi
    repeats=0
    sleep 2
    output=$(hello "$@")
}

# handshake LABEL OFFER ARGUMENT...: LABEL OFFER agreed PROTOCOL CIPHER | LABEL OFFER refused REASON
handshake() {
    label=$1
    offer=$2
    shift 2
    query_tls "$label" "$@"
    agreed=$(printf '%s\n' "$output" | sed -n 's/^New, \(TLSv[0-9.]*\|SSLv3\), Cipher is \(.*\)/\1 \2/p' | head -n 1)
    if [ -n "$agreed" ]; then
        # For old ciphers, this line contains the protocol that defined the cipher; the session has the real one.
        protocol=$(printf '%s\n' "$output" | sed -n 's/^ *Protocol *: *//p' | head -n 1)
        printf '%s %s agreed %s %s\n' "$label" "$offer" "${protocol:-${agreed%% *}}" "${agreed#* }"
    else
        reason=$(printf '%s\n' "$output" | grep -i -m 1 -e 'alert' -e 'error' -e 'refused')
        printf '%s %s refused %s\n' "$label" "$offer" "${reason:-no handshake}"
    fi
}

# server_certificate LABEL: the certificate of the port, and whether its CA signed it for this address.
server_certificate() {
    to=$(address_of "$1")
    ca=$(authority "$1")
    query_tls "$1" -CAfile "${ca:-/nonexistent}" -verify_ip "${to%:*}"
    trust=$(printf '%s\n' "$output" | sed -n 's/^ *Verify return code: //p' | head -n 1)
    printf '%s trust %s\n' "$1" "${trust:-no handshake}"
    printf '%s\n' "$output" | host openssl x509 -noout -subject -issuer -startdate -enddate -nameopt RFC2253 2>/dev/null |
        sed -e "s/^/$1 /" -e 's/=/ /'
}

handshakes() {
    repeats=1
    handshake "$1" today
    handshake "$1" old -tls1_1 -cipher ALL:@SECLEVEL=0
    handshake "$1" weak -tls1_2 -cipher "$WEAK:@SECLEVEL=0"
    server_certificate "$1"
}

# Ports in parallel, handshakes of one port in sequence.
tls() {
    for port in $ports; do
        label=${port%%,*}
        printf '%s address %s\n' "$label" "${port##*,}"
        handshakes "$label" &
    done
    wait
}

# own_certificates: PATH KEY VALUE of the node's client certificates.
own_certificates() {
    ca=$(cluster_authority)
    for path in $certificates; do
        # Not tested with -e: it may be a link whose target exists only inside the chroot.
        host openssl x509 -in "$path" -noout 2>/dev/null || continue
        printf '%s trust %s\n' "$path" "$(host openssl verify -CAfile "$ca" "$path" 2>&1 | tail -n 1 | sed 's/^.*: OK$/0 (ok)/')"
        host openssl x509 -in "$path" -noout -subject -issuer -startdate -enddate -nameopt RFC2253 |
            sed -e "s#^#$path #" -e 's/=/ /'
    done
}

# ---- the audit log ----

size() {
    stat -c %s "$1" 2>/dev/null || echo -1
}

# Send an anonymous request for all Secrets, which must be logged.
audit() {
    path=$(flag_of kube-apiserver audit-log-path)
    printf 'path %s\n' "$path"
    case $path in /*) ;; *) return 0 ;; esac
    # The path is relative to the root of the process, for a static pod.
    log=/proc/$(process kube-apiserver)/root$path
    before=$(size "$log")
    curl_line --insecure "$own_api/api/v1/secrets" >/dev/null
    after=$(size "$log")
    for _ in 1 2 3; do
        [ "$after" = "$before" ] || break
        sleep 1
        after=$(size "$log")
    done
    printf 'before %s\nafter %s\n' "$before" "$after"
}

collect_hardening() {
    section listeners listeners
    if has find; then section files print_files; else absent files "the node has no find"; fi
    if has openssl; then
        section tls tls
        section certificates own_certificates
    else
        absent tls "the node has no openssl"
        absent certificates "the node has no openssl"
    fi
    if has curl; then
        section 'kubelet_doors' kubelet_port_codes
        if [ -n "$own_api" ] && [ -n "$(process kube-apiserver)" ]; then section audit audit; fi
    else
        absent 'kubelet_doors' "the node has no curl"
    fi
}

# ---- the runtime ----

# The probe's own cgroup in the host's cgroup namespace; in a private one it would be "/".
own_cgroup() {
    if has nsenter; then
        inside nsenter --target 1 --cgroup cat "/proc/$$/cgroup"
    else
        cat "/proc/$$/cgroup"
    fi | awk -F: '$3 ~ /kubepods/ { print $3; exit }'
}

docker_api() {
    inside curl --silent --show-error --fail --max-time 5 --unix-socket /run/docker.sock "http://docker$1"
}

# Docker with containerd's image store uses files of the same format.
mirrors() {
    cat /host/etc/containerd/certs.d/*/hosts.toml /host/etc/docker/certs.d/*/hosts.toml 2>/dev/null |
        sed -n 's/^ *\[host\."\(.*\)"\].*/mirror \1/p'
}

print_runtime() {
    cgroup=$(own_cgroup)
    printf 'cgroup %s\n' "$cgroup"
    mirrors
}

collect_runtime() {
    section runtime print_runtime
    if [ -S /host/run/docker.sock ] && has curl; then
        section docker docker_api /info
        id=$(own_cgroup | sed -n 's#.*[/-]\([0-9a-f]\{64\}\)\(\.scope\)\{0,1\}$#\1#p')
        section docker_container docker_api "/containers/$id/json"
    fi
}
