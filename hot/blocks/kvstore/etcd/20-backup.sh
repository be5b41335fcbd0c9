#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Install the program that takes backups of etcd, and its timer; or stop the timer. Existing backups are kept.
set -euo pipefail
# shellcheck source=hot/lib/step.sh
source "$HEATGEN_LIB/step.sh"

folder=/var/backups/etcd
settings=/etc/heatgen/backup
units=/etc/systemd/system

# seconds DURATION: print a duration like 30m or 6h in seconds.
seconds() {
    case $1 in
        *m) echo $((${1%m} * 60)) ;;
        *h) echo $((${1%h} * 3600)) ;;
        *) fail "kvstore.backup_interval '$1' is neither minutes nor hours, such as 30m or 6h" ;;
    esac
}

# install_recipients: replace the certificates of the recipients: envelopes of the control-plane nodes, the backup key
# beside cluster.yaml, and access.backup_recipients. An old one must not be able to open new backups.
install_recipients() {
    local file number=0 text='' line known=' '
    for file in "$(input_file ENVELOPES.d)"/*; do
        install_text "$(<"$file")" "$settings/envelope-${file##*/}.crt"
        known+="envelope-${file##*/}.crt "
    done
    while IFS= read -r line; do
        text+=$line$'\n'
        [ "$line" = '-----END CERTIFICATE-----' ] || continue
        openssl x509 -noout <<<"$text" 2>/dev/null || fail "recipient $number of backups is not a certificate"
        install_text "${text%$'\n'}" "$settings/recipient-$number.crt"
        known+="recipient-$number.crt "
        number=$((number + 1)) text=''
    done <<<"$BACKUP_CERTIFICATE"$'\n'"$BACKUP_RECIPIENTS"
    for file in "$settings"/*.crt; do
        [[ $known == *" ${file##*/} "* ]] || rm -f "$file"
    done
}

interval=$(seconds "$BACKUP_INTERVAL")
install -d -m 0700 $folder $settings
install_recipients
install_text "ENABLED=$BACKUP
INTERVAL=$interval
KEEP=$BACKUP_KEEP
CLUSTER_NAME='$CLUSTER_NAME'
STACK_NAME='$STACK_NAME'" $settings/backup.env 0600
install_text "$MEMBERS" $heatgen_home/lib/etcd-members.sh
install_text "$BACKUP_PROGRAM" $heatgen_home/lib/etcd-backup 0755
install_text "$BACKUP_UNIT" $units/etcd-backup.service
install_text "$BACKUP_TIMER" $units/etcd-backup.timer
systemctl daemon-reload
if [ "$BACKUP" = true ]; then
    systemctl enable --quiet --now etcd-backup.timer
    result="is backed up every $BACKUP_INTERVAL; the newest $BACKUP_KEEP backups are kept in $folder"
else
    systemctl disable --quiet --now etcd-backup.timer
    result="is not backed up (kvstore.backup: false)"
fi
# Not a backup: the status, which shows since when backups are expected.
$heatgen_home/lib/etcd-backup publish

echo "etcd $result."
