#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Start kubelet and kube-proxy, and wait until the node is registered.
set -euo pipefail
# shellcheck source=hot/lib/step.sh
source "$HEATGEN_LIB/step.sh"

node=$(node_name)
pki=/etc/kubernetes/pki
etc=/etc/kubernetes
units=/etc/systemd/system

# name_servers FILE: print the addresses of the name servers in a resolver file.
name_servers() {
    awk '$1 == "nameserver" && NF > 1 { print $2 }' "$1" 2>/dev/null || true
}

# resolver_file: print the file from which the kubelet takes the name servers of the node. Pods with dnsPolicy Default,
# like those of CoreDNS, use these servers. A loopback address is that of the pod itself there: CoreDNS would forward
# queries to itself. The stub of systemd-resolved is replaced by the servers to which it forwards, as by kubeadm and
# kOps; any other local resolver needs the user's decision.
resolver_file() {
    local file=/etc/resolv.conf servers loopback
    servers=$(name_servers $file)
    if [ -n "$servers" ] && ! grep -qvxE '127\.0\.0\.5[34]' <<<"$servers" &&
        systemctl is-active --quiet systemd-resolved.service; then
        file=/run/systemd/resolve/resolv.conf
        servers=$(name_servers $file)
    fi
    loopback=$(grep -m 1 -E '^(127\.|0\.0\.0\.0$|::1?$)' <<<"$servers") || true
    [ -z "$loopback" ] || fail "the name server $loopback in $file is local to the node: pods cannot reach it, and" \
        "CoreDNS would forward queries to itself. Write the name servers of the network to another file on every" \
        "node, and set overrides.kubelet.resolvConf to its path"
    # A link-local address has a zone (fe80::1%eth0), which does not exist in pods.
    grep -qivE '^(fe80:|$)' <<<"$servers" || fail "$file has no name server that pods can reach: CoreDNS could not" \
        "forward queries. Configure name servers for the nodes' network (cloud.dns)"
    printf '%s' $file
}

# kubelet_config: print the configuration of the kubelet. overrides.kubelet.resolvConf has precedence.
kubelet_config() {
    local file
    if [[ $KUBELET_CONFIG != *'"resolvConf"'* ]]; then
        file=$(resolver_file) || exit 1
        # /etc/resolv.conf is the kubelet's default.
        [ "$file" = /etc/resolv.conf ] || KUBELET_CONFIG="{\"resolvConf\": \"$file\", ${KUBELET_CONFIG#*\{}"
    fi
    printf '%s' "$KUBELET_CONFIG"
}

# at_least VERSION FOUND: succeed if the version that was found is not older.
at_least() {
    printf '%s\n' "$1" "$2" | sort --version-sort --check=quiet
}

# require_packet_filter: fail unless the kernel and the programs support the mode of kube-proxy.
require_packet_filter() {
    local mode message version
    mode=$(sed -n 's/.*"mode": *"\([a-z]*\)".*/\1/p' <<<"$KUBE_PROXY_CONFIG" | sed -n 1p)
    if [ "$mode" != nftables ]; then
        message=$(iptables --wait 5 --table nat --list-rules POSTROUTING 2>&1) ||
            fail "kube-proxy cannot use iptables on Linux $(uname -r): $message. Use an image with iptables and its" \
                "kernel modules; flannel needs them, too"
        return
    fi
    command -v nft >/dev/null || install_packages nftables
    at_least 5.13 "$(uname -r)" ||
        fail "kube-proxy requires Linux 5.13 or later for nftables, not $(uname -r). Use a newer image, or set" \
            "overrides.kube_proxy.mode: iptables"
    version=$(nft --version | sed -n 's/^nftables v\([0-9.]*\).*/\1/p')
    at_least 1.0.1 "$version" ||
        fail "kube-proxy requires nft 1.0.1 or later, not ${version:-an unknown version}. Use a newer image, or set" \
            "overrides.kube_proxy.mode: iptables"
    message=$(nft --check add table ip heatgen-check 2>&1) ||
        fail "kube-proxy cannot use nftables on Linux $(uname -r): $message. Use an image with its kernel modules, or" \
            "set overrides.kube_proxy.mode: iptables"
}

require_packet_filter
config=$(kubelet_config) || exit 1
output registration "$GROUP_LABELS|$GROUP_TAINTS"
by_turn "$KUBELET_ARTIFACT" "$KUBE_PROXY_ARTIFACT"
kubelet=$(program "$KUBELET_ARTIFACT" kubernetes "$KUBELET_VERSION" kubelet) || exit 1
kube_proxy=$(program "$KUBE_PROXY_ARTIFACT" kubernetes "$KUBELET_VERSION" kube-proxy) || exit 1

# Only if the host name is not the node's name, because the stack's name is long or has other characters.
name_option=''
[ "$(hostname)" = "$node" ] || name_option=--hostname-override=$node
# When the signing authority changes, the kubelet restarts and uses the certificates from the stack, well before
# the old authority is removed. After its removal the API server rejects certificates that it signed.
install_text "# Restart the kubelet when authorities change: $TRUST_REVISION, generations $SIGNING${RESTORED:+, restore $RESTORED}
NODE_ADDRESS=$(node_address)
NAME_OPTION=$name_option
NODE_LABELS=$GROUP_LABELS
NODE_TAINTS=$GROUP_TAINTS" $etc/kubelet.env 0600
# The kubelet rotates its client certificate, and must request the next one with the current one.
install_text "$(kubeconfig "$API_URL" kubelet-client |
    sed "s|$pki/kubelet-client\.[a-z]*|/var/lib/kubelet/pki/kubelet-client-current.pem|g")" $etc/kubelet.kubeconfig 0600
install_text "NAME_OPTION=$name_option${RESTORED:+$'\n'# Restart kube-proxy after the restore $RESTORED}" $etc/kube-proxy.env
install_text "$(kubeconfig "$API_URL" kube-proxy)" $etc/kube-proxy.kubeconfig 0600
install_text "$config" $etc/kubelet.json 0600
install_text "$KUBE_PROXY_CONFIG" $etc/kube-proxy.json 0600
install_text "$KUBELET_CERTIFICATES" "$heatgen_home/lib/kubelet-certificates" 0755
install_text "$KUBELET_UNIT" $units/kubelet.service 0600
install_text "$KUBE_PROXY_UNIT" $units/kube-proxy.service 0600

# request URL: send a GET request with the node's certificate.
request() {
    curl --fail --silent --show-error --max-time 5 --cacert $pki/ca.crt \
        --cert $pki/kubelet-client.crt --key $pki/kubelet-client.key "$1"
}
# Start the kubelet only when the API server is ready: it retries with an increasing delay.
wait_for 600 "the API server at $API_URL is ready, and none of the control plane is older than $KUBELET_VERSION" \
    apis_current "$KUBELET_VERSION" request "$API_URL" "$CONTROL_PLANE_ADDRESSES"
# Certificates are not listed: the kubelet rotates its own, and kube-proxy reloads its certificate.
start_unit kubelet --link "$kubelet" $etc/kubelet.json $etc/kubelet.env $etc/kubelet.kubeconfig $pki/ca.crt \
    "$heatgen_home/lib/kubelet-certificates" "$heatgen_bin/kubelet"
start_unit kube-proxy --link "$kube_proxy" $etc/kube-proxy.json $etc/kube-proxy.env $etc/kube-proxy.kubeconfig \
    $pki/ca.crt "$heatgen_bin/kube-proxy"
wait_unit 60 kubelet "the kubelet is healthy" curl --fail --silent --show-error http://127.0.0.1:10248/healthz
wait_unit 60 kubelet "node $node is registered" request "$API_URL/api/v1/nodes/$node"
wait_unit 60 kube-proxy "kube-proxy is healthy" curl --fail --silent --show-error http://127.0.0.1:10256/healthz

echo "$node has joined the cluster."
