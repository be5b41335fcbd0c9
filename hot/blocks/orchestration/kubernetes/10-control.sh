#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Start apiserver, controller-manager and scheduler; then give the cluster its first objects.
set -euo pipefail
# shellcheck source=hot/lib/step.sh
source "$HEATGEN_LIB/step.sh"

pki=/etc/kubernetes/pki
etc=/etc/kubernetes
units=/etc/systemd/system
program "$APISERVER_ARTEFACT" kubernetes "$KUBERNETES_VERSION" kube-apiserver
program "$CONTROLLER_MANAGER_ARTEFACT" kubernetes "$KUBERNETES_VERSION" kube-controller-manager
program "$SCHEDULER_ARTEFACT" kubernetes "$KUBERNETES_VERSION" kube-scheduler
program "$KUBECTL_ARTEFACT" kubernetes "$KUBERNETES_VERSION" kubectl

# Service-account tokens are signed by a key that is made here and stays here.
if [ ! -s $pki/service-account.key ]; then
    (umask 077 && openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out $pki/service-account.key.new 2>/dev/null)
    mv $pki/service-account.key.new $pki/service-account.key
fi
[ -s $pki/service-account.pub ] ||
    openssl pkey -in $pki/service-account.key -pubout -out $pki/service-account.pub

install_text "NODE_ADDRESS=$(node_address)
SERVICES_CIDR=$SERVICES_CIDR" $etc/kube-apiserver.env
for component in controller-manager scheduler bootstrap; do
    install_text "$(kubeconfig "$API_URL" $component)" $etc/$component.kubeconfig 0600
done
install_text "$APISERVER_UNIT" $units/kube-apiserver.service
install_text "$CONTROLLER_MANAGER_UNIT" $units/kube-controller-manager.service
install_text "$SCHEDULER_UNIT" $units/kube-scheduler.service

kubectl() {
    "$heatgen_bin/kubectl" --kubeconfig $etc/bootstrap.kubeconfig --request-timeout 10s "$@"
}
start_unit kube-apiserver $etc/kube-apiserver.env $pki/apiserver.crt $pki/ca.crt "$heatgen_bin/kube-apiserver"
wait_unit 120 kube-apiserver "the API is ready" kubectl get --raw /readyz
# Not before: both give up at once if the API does not know their rights yet.
start_unit kube-controller-manager $etc/controller-manager.kubeconfig "$heatgen_bin/kube-controller-manager"
start_unit kube-scheduler $etc/scheduler.kubeconfig "$heatgen_bin/kube-scheduler"

install_text "$ACCESS_MANIFEST" $etc/manifests/access.yaml
install_text "$COREDNS_MANIFEST" $etc/manifests/coredns.json
said=$(kubectl apply --server-side --force-conflicts -f $etc/manifests/access.yaml -f $etc/manifests/coredns.json 2>&1) ||
    fail "cannot create the cluster's first objects: $(tail -n 2 <<<"$said")"

echo "Kubernetes $KUBERNETES_VERSION answers at $API_URL."
