# shellcheck shell=sh
# SPDX-License-Identifier: Apache-2.0
#
# The part of collect.sh that looks at how closed the node is, and how its runtime runs containers.
# Sourced by it; POSIX sh and busybox, too. The words it is given are variables of collect.sh.
# shellcheck disable=SC2154

# ---- API servers and kubelet: who is answered ----

# curl_line ARGUMENT...: HTTP-CODE MILLISECONDS REASON; code 000 where there was no answer.
curl_line() {
    start=$(milliseconds)
    said=$(inside curl --silent --show-error --output /dev/null --write-out '%{http_code}\n' --max-time 5 "$@" 2>&1)
    code=$(printf '%s\n' "$said" | grep -x '[0-9][0-9][0-9]' | tail -n 1)
    reason=$(printf '%s\n' "$said" | grep -vx '[0-9][0-9][0-9]' | tail -n 1)
    printf '%s %s %s\n' "${code:-000}" "$(($(milliseconds) - start))" "$reason"
}

# The pod's own token, which may do nothing, goes to curl by its standard input: a command line is
# for all to see.
with_token() {
    {
        printf 'Authorization: Bearer '
        cat /access/token
    } | curl_line --header @- --cacert "/proc/$$/root/access/ca.crt" "$1"
}

# A server that is busy for a moment may say so thrice; one that is not ready says so four times, or is
# silent twice.
ready_line() {
    begun=$(milliseconds)
    for try in 1 2 3 4; do
        line=$(with_token "$1")
        case $line in
            200* | 401* | 403*) break ;;
        esac
        if [ "$try" = 4 ] || [ $(($(milliseconds) - begun)) -gt 7000 ]; then break; fi
        sleep 2
    done
    echo "$line"
}

# ask_api URL: URL token CODE MILLISECONDS REASON, and the same without credentials.
ask_api() {
    printf '%s token %s\n' "$1" "$(ready_line "$1/readyz")"
    printf '%s anonymous %s\n' "$1" "$(curl_line --insecure "$1/readyz")"
}

# The API as the node's own kubelet reaches it.
endpoint() {
    file=$(flag_of kubelet kubeconfig)
    sed -n "s/.*server\"\{0,1\}: *[\"']\{0,1\}\(https:[^\"', }]*\).*/\1/p" "/host${file:-/etc/kubernetes/kubelet.kubeconfig}" 2>/dev/null |
        head -n 1
}

ask_apis() {
    for url in $(echo "$apis $(endpoint)" | tr ' ' '\n' | sort -u); do ask_api "$url" & done
    wait
}

collect_api() {
    if [ -n "$(endpoint)" ]; then
        section endpoint endpoint
    else
        absent endpoint "the kubelet's flags lead to no kubeconfig with a server in it"
    fi
    if ! has curl; then
        absent api "the node has no curl"
    elif [ ! -s /access/token ] || [ ! -s /access/ca.crt ]; then
        absent api "the probe was given no token, or the namespace has no kube-root-ca.crt"
    else
        section api ask_apis
    fi
}

# The kubelet's own port, and the read-only one of old.
kubelet_doors() {
    kubelet=$(address_of kubelet)
    printf 'anonymous %s\n' "$(curl_line --insecure "https://$kubelet/pods")"
    printf 'read_only %s\n' "$(curl_line "http://${kubelet%:*}:10255/pods")"
}

# ---- open ports ----

listeners() {
    awk '$4 == "0A" { print $2 }' /proc/net/tcp /proc/net/tcp6
}

# ---- files ----

# Paths are told, no contents. Trees that are not there are left out: find would call that an error.
tell_files() {
    there=''
    for tree in $trees; do
        if [ -e "/host$tree" ]; then there="$there $tree"; fi
    done
    [ -n "$there" ] || return 0
    # shellcheck disable=SC2086 # the trees are words
    host find $there -maxdepth 5 -printf '%m %u %y %p\n' 2>/dev/null | head -n 800
}

# ---- TLS ----

# Ways to speak that are refused today; names that a library does not know it leaves out.
WEAK=ECDHE-RSA-AES128-SHA:ECDHE-RSA-AES256-SHA:ECDHE-ECDSA-AES128-SHA:ECDHE-ECDSA-AES256-SHA
WEAK=$WEAK:ECDHE-RSA-AES128-SHA256:ECDHE-ECDSA-AES128-SHA256:AES128-GCM-SHA256:AES256-GCM-SHA384
WEAK=$WEAK:AES128-SHA:AES256-SHA:AES128-SHA256:AES256-SHA256:DES-CBC3-SHA:RC4-SHA

address_of() {
    for port in $ports; do
        if [ "${port%%,*}" = "$1" ]; then echo "${port##*,}"; fi
    done
}

# authority LABEL: the file with the authority that signs what this port shows.
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

# hello LABEL ARGUMENT...: what openssl says of a handshake; etcd is shown its own certificate.
hello() {
    case $1 in
        etcd) set -- "$@" -cert "$(flag_of etcd cert-file)" -key "$(flag_of etcd key-file)" ;;
        peer) set -- "$@" -cert "$(flag_of etcd peer-cert-file)" -key "$(flag_of etcd peer-key-file)" ;;
    esac
    to=$(address_of "$1")
    shift
    host openssl s_client -connect "$to" "$@" </dev/null 2>&1
}

# handshake LABEL WAY ARGUMENT...: LABEL WAY agreed PROTOCOL CIPHER | LABEL WAY refused REASON
handshake() {
    label=$1
    way=$2
    shift 2
    said=$(hello "$label" "$@")
    agreed=$(printf '%s\n' "$said" | sed -n 's/^New, \(TLSv[0-9.]*\|SSLv3\), Cipher is \(.*\)/\1 \2/p' | head -n 1)
    if [ -n "$agreed" ]; then
        # A cipher older than its protocol is told under the older name: the session knows better.
        spoken=$(printf '%s\n' "$said" | sed -n 's/^ *Protocol *: *//p' | head -n 1)
        printf '%s %s agreed %s %s\n' "$label" "$way" "${spoken:-${agreed%% *}}" "${agreed#* }"
    else
        reason=$(printf '%s\n' "$said" | grep -i -m 1 -e 'alert' -e 'error' -e 'refused')
        printf '%s %s refused %s\n' "$label" "$way" "${reason:-no handshake}"
    fi
}

# shown LABEL: the certificate that the port shows, and whether its authority signed it for this address.
shown() {
    to=$(address_of "$1")
    ca=$(authority "$1")
    said=$(hello "$1" -CAfile "${ca:-/nowhere}" -verify_ip "${to%:*}")
    trust=$(printf '%s\n' "$said" | sed -n 's/^ *Verify return code: //p' | head -n 1)
    printf '%s trust %s\n' "$1" "${trust:-no handshake}"
    printf '%s\n' "$said" | host openssl x509 -noout -subject -issuer -startdate -enddate -nameopt RFC2253 2>/dev/null |
        sed -e "s/^/$1 /" -e 's/=/ /'
}

speak() {
    handshake "$1" today
    handshake "$1" old -tls1_1 -cipher ALL:@SECLEVEL=0
    handshake "$1" weak -tls1_2 -cipher "$WEAK:@SECLEVEL=0"
    shown "$1"
}

# One line after another within a port; the ports side by side.
tls() {
    for port in $ports; do
        label=${port%%,*}
        printf '%s address %s\n' "$label" "${port##*,}"
        speak "$label" &
    done
    wait
}

# own_certificates: PATH KEY VALUE of this node's client certificates.
own_certificates() {
    ca=$(cluster_authority)
    for path in $certificates; do
        # It may be a link, which leads somewhere on the node alone.
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

# A stranger's request for all secrets must be refused, and must be in the log.
audit() {
    path=$(flag_of kube-apiserver audit-log-path)
    printf 'path %s\n' "$path"
    case $path in /*) ;; *) return 0 ;; esac
    # A static pod's path is in its own file system.
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
    if has find; then section files tell_files; else absent files "the node has no find"; fi
    if has openssl; then
        section tls tls
        section certificates own_certificates
    else
        absent tls "the node has no openssl"
        absent certificates "the node has no openssl"
    fi
    if has curl; then
        section kubelet_doors kubelet_doors
        if [ -n "$own_api" ] && [ -n "$(process kube-apiserver)" ]; then section audit audit; fi
    else
        absent kubelet_doors "the node has no curl"
    fi
}

# ---- the runtime ----

# The probe's own cgroup, by the node's names of things: a private cgroup namespace would say "/".
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

# Docker with containerd's image store reads files of the same form.
mirrors() {
    cat /host/etc/containerd/certs.d/*/hosts.toml /host/etc/docker/certs.d/*/hosts.toml 2>/dev/null |
        sed -n 's/^ *\[host\."\(.*\)"\].*/mirror \1/p'
}

tell_runtime() {
    cgroup=$(own_cgroup)
    printf 'cgroup %s\n' "$cgroup"
    mirrors
}

collect_runtime() {
    section runtime tell_runtime
    if [ -S /host/run/docker.sock ] && has curl; then
        section docker docker_api /info
        id=$(own_cgroup | sed -n 's#.*[/-]\([0-9a-f]\{64\}\)\(\.scope\)\{0,1\}$#\1#p')
        section docker_container docker_api "/containers/$id/json"
    fi
}
