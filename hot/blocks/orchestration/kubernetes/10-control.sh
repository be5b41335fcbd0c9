#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Start API server, controller manager and scheduler, and apply the cluster's initial objects.
set -euo pipefail
# shellcheck source=hot/lib/step.sh
source "$HEATGEN_LIB/step.sh"

LOCAL=https://127.0.0.1:6443 # the API server on this node
# TLS 1.2 with forward secrecy and authenticated encryption; TLS 1.3 has no others.
CIPHERS=TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
CIPHERS+=,TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384
CIPHERS+=,TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256
pki=/etc/kubernetes/pki
etc=/etc/kubernetes
units=/etc/systemd/system

# install_kubeconfig OWNER SERVER CERTIFICATE: install a kubeconfig for a component with its own user.
install_kubeconfig() {
    install_text "$(kubeconfig "$2" "$3")" "$etc/$3.kubeconfig" 0600 "$1"
}

# request URL: send a GET request with the certificate of the steps.
request() {
    curl --fail --silent --show-error --max-time 5 --cacert $pki/ca.crt \
        --cert $pki/bootstrap.crt --key $pki/bootstrap.key "$1"
}
api_ready() {
    request $LOCAL/readyz
}
# spare: succeed if the API server on another node is ready.
spare() {
    local other
    for other in ${CONTROL_PLANE_ADDRESSES//,/ }; do
        if [ "$other" != "$(node_address)" ] && request "https://$other:6443/readyz"; then return; fi
    done
    return 1
}
etcd_ready() {
    curl --fail --silent --show-error --max-time 5 --output /dev/null --cacert /etc/etcd/pki/ca.crt \
        --cert /etc/etcd/pki/apiserver.crt --key /etc/etcd/pki/apiserver.key https://127.0.0.1:2379/readyz
}
kubectl() {
    "$heatgen_bin/kubectl" --kubeconfig $etc/bootstrap.kubeconfig --request-timeout 10s "$@"
}
# coredns_manifest: print the manifest of CoreDNS; keep the number of replicas, which a user may have changed.
coredns_manifest() {
    local replicas
    replicas=$(kubectl --namespace kube-system get deployment coredns --ignore-not-found \
        --output 'jsonpath={.spec.replicas}') || return 1
    sed "${replicas:+s/\"replicas\": *[0-9]*/\"replicas\": $replicas/}" $etc/manifests/coredns.json
}
apply_objects() {
    coredns_manifest | kubectl apply --server-side --force-conflicts -f $etc/manifests/access.yaml -f -
}

# The version as which the control plane behaves; the step check refuses a return to an older one.
behavior=${EMULATED_VERSION:-$KUBERNETES_VERSION}
# The installation does not need etcd, which may still be starting.
apiserver=$(program "$APISERVER_ARTIFACT" kubernetes "$KUBERNETES_VERSION" kube-apiserver) || exit 1
controller_manager=$(program "$CONTROLLER_MANAGER_ARTIFACT" kubernetes "$KUBERNETES_VERSION" \
    kube-controller-manager) || exit 1
scheduler=$(program "$SCHEDULER_ARTIFACT" kubernetes "$KUBERNETES_VERSION" kube-scheduler) || exit 1
kubectl=$(program "$KUBECTL_ARTIFACT" kubernetes "$KUBERNETES_VERSION" kubectl) || exit 1
install_text "# Restart the components when authorities or keys change: $CONTROL_TRUST_REVISION
NODE_ADDRESS=$(node_address)
SERVICES_CIDR=$SERVICES_CIDR
EFFECTIVE_VERSION=${behavior%.*}
EMULATION_OPTION=${EMULATED_VERSION:+--emulated-version=${behavior%.*}}
TLS_CIPHERS=$CIPHERS" $etc/control.env 0600
install_text "$ADMISSION_CONFIG" $etc/admission.json
install_text "$AUDIT_POLICY" $etc/audit-policy.yaml
install_kubeconfig kube-controller-manager "$API_URL" controller-manager
install_kubeconfig kube-scheduler "$API_URL" scheduler
install_kubeconfig kubelet-approver $LOCAL kubelet-approver
install_kubeconfig root $LOCAL bootstrap
install_text "$APPROVER" "$heatgen_home/lib/kubelet-approver" 0755
install_text "$APISERVER_UNIT" $units/kube-apiserver.service 0600
install_text "$CONTROLLER_MANAGER_UNIT" $units/kube-controller-manager.service 0600
install_text "$SCHEDULER_UNIT" $units/kube-scheduler.service 0600
install_text "$APPROVER_UNIT" $units/kubelet-approver.service 0600
install_text "$LIVENESS" "$heatgen_home/lib/apiserver-liveness" 0755
install_text "$LIVENESS_UNIT" $units/apiserver-liveness.service 0600
install_text "$ACCESS_MANIFEST" $etc/manifests/access.yaml
install_text "$COREDNS_MANIFEST" $etc/manifests/coredns.json

wait_for 420 "the etcd member of this node is ready" etcd_ready
# The API server reads these files only at its start; it reloads its own certificates.
roll_unit kube-apiserver api_ready --link "$apiserver" --link "$kubectl" $etc/control.env $etc/admission.json \
    $etc/audit-policy.yaml $etc/encryption.yaml $pki/ca.crt /etc/etcd/pki/ca.crt /etc/front-proxy/pki/ca.crt \
    $pki/service-account.key $pki/service-accounts.pub "$heatgen_bin/kube-apiserver"
wait_unit 120 kube-apiserver "the API server is ready" api_ready
start_unit apiserver-liveness "$heatgen_home/lib/apiserver-liveness" $etc/control.env
# On the first node only: the objects are stored in etcd.
if [ "${CONTROL_PLANE_ADDRESSES%%,*}" = "$(node_address)" ]; then
    wait_for 60 "the initial objects are applied" apply_objects
fi
start_unit kubelet-approver "$heatgen_home/lib/kubelet-approver" $etc/kubelet-approver.kubeconfig

wait_for 420 "the API server at $API_URL is ready, and all of the control plane are of version $KUBERNETES_VERSION" \
    apis_current "$KUBERNETES_VERSION" request "$API_URL" "$CONTROL_PLANE_ADDRESSES"
# Only now: both exit at once if their RBAC rules do not exist yet.
start_unit kube-controller-manager --link "$controller_manager" $etc/control.env \
    $etc/controller-manager.kubeconfig $pki/ca.crt $pki/issuer.crt $pki/service-account.key \
    "$heatgen_bin/kube-controller-manager"
start_unit kube-scheduler --link "$scheduler" $etc/control.env $etc/scheduler.kubeconfig $pki/ca.crt \
    "$heatgen_bin/kube-scheduler"

echo "The control plane of Kubernetes $KUBERNETES_VERSION is running at $API_URL."
