# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Update the shared state according to the plan and the stack's parameters, on the first control-plane node.
# Sourced by trust/sign, after shared.sh.
# shellcheck disable=SC2154

CA_DAYS=3650
RETIRED_FOR=$((25 * 3600)) # seconds for which tokens of a lost API server remain valid

next=$work/next # the new state
printf -v now '%(%s)T' -1
generations=()
mapfile -t authorities < <(cut -d '|' -f 3 <<<"$CERTIFICATES" | LC_ALL=C sort -u)

# adopt_newest_share DIRECTORY: adopt the newest state that other nodes share, if it is newer than the local one.
adopt_newest_share() {
    local file number best newest='' sealed=0
    best=$(version_of "$state/current")
    for file in "$1"/*; do
        if [ ! -e "$file" ] || [ "$(<"$file")" = none ]; then continue; fi
        if ! unseal "$file" "$work/share.${file##*/}"; then
            sealed=$((sealed + 1))
            continue
        fi
        number=$(version_of "$work/share.${file##*/}")
        [ "$number" -le "$best" ] || { best=$number && newest=$work/share.${file##*/}; }
    done
    if [ -n "$newest" ]; then
        adopt "$newest"
        echo "Adopted the authorities of the other control-plane nodes."
    elif [ "$best" = 0 ] && [ $sealed != 0 ]; then
        # Do not create authorities: they would cut off the other nodes.
        fail "the authorities of the other control-plane nodes are not sealed for this server: mark the" \
            "resources trust_share_control_1 and so on unhealthy (openstack stack resource mark unhealthy)," \
            "then update the stack"
    fi
}

# rank LIST: print the position of a list in the order of a rotation: 1, then 1,2, then 2,1, then 2.
rank() {
    local signing=${1%,*} other=${1#*,}
    if [[ ! $1 =~ ^[1-9][0-9]{0,4}(,[1-9][0-9]{0,4})?$ ]] ||
        [[ $1 = *,* && $((signing - other)) != 1 && $((other - signing)) != 1 ]]; then
        fail "authority_generations is '$1': use a generation, or two consecutive ones, like 1, 1,2 or 2,1"
    fi
    if [[ $1 != *,* ]]; then
        echo $((3 * signing))
    elif [ "$signing" -gt "$other" ]; then
        echo $((3 * signing - 1))
    else
        echo $((3 * other - 2))
    fi
}

# update_generations LIST: set the trusted generations of the authorities. They advance by one phase at a time and
# never go back, also if a stack update omits the parameter.
update_generations() {
    local trusted='' requested current
    [ ! -s "$next/authorities" ] || trusted=$(<"$next/authorities")
    requested=$(rank "$1") || exit 1
    if [ -z "$trusted" ]; then
        trusted=$1
    else
        current=$(rank "$trusted")
        if [ "$requested" -gt $((current + 1)) ]; then
            fail "authority_generations cannot change from $trusted to $1 at once: nodes must trust" \
                "a new authority before it signs (1, then 1,2, then 2,1, then 2). Run" \
                "'heatgen rotate authorities', which performs all phases"
        fi
        if [ "$requested" -gt "$current" ]; then
            trusted=$1
        elif [ "$requested" -lt "$current" ]; then
            echo "The authorities remain at generation $trusted; they cannot be reset to $1."
        fi
    fi
    printf '%s\n' "$trusted" >"$next/authorities"
    IFS=, read -ra generations <<<"$trusted"
}

# create_authority NAME GENERATION: create the key and certificate of an authority if they do not exist.
create_authority() {
    local file=$next/$1/$2 name=$1-ca
    [ ! -s "$file.crt" ] || return 0
    [ "$2" = 1 ] || name+=-$2
    mkdir -p "$next/$1"
    openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$file.key" 2>/dev/null
    openssl req -x509 -new -key "$file.key" -subj "/CN=$name" -days $CA_DAYS -out "$file.crt" -config \
        <(printf '%s\n' '[req]' 'distinguished_name=dn' 'x509_extensions=ca' '[dn]' '[ca]' \
            'basicConstraints=critical,CA:TRUE,pathlen:0' 'subjectKeyIdentifier=hash' \
            'keyUsage=critical,digitalSignature,keyCertSign,cRLSign')
}

# update_authorities: create missing authorities of the trusted generations, delete those of other generations.
update_authorities() {
    local authority generation file
    for authority in "${authorities[@]}"; do
        for generation in "${generations[@]}"; do create_authority "$authority" "$generation"; done
    done
    for file in "$next"/*/*.crt "$next"/*/*.key; do
        generation=${file##*/}
        [[ ,$(<"$next/authorities"), == *,${generation%.*},* ]] || rm -f "$file"
    done
}

# update_accounts DIRECTORY: store the public keys of all API servers; delete those of lost ones when their tokens
# have expired.
update_accounts() {
    local file text id known=' '
    mkdir -p "$next/service-accounts"
    for file in "$1"/*; do
        text=$(<"$file")
        id=$(openssl dgst -sha256 -r <<<"$text")
        id=${id:0:16}
        known+="$id "
        printf '%s\n' "$text" >"$next/service-accounts/$id.pub"
        rm -f "$next/service-accounts/$id.retired"
    done
    for file in "$next/service-accounts"/*.pub; do
        id=${file##*/} id=${id%.pub}
        [[ $known != *" $id "* ]] || continue
        file=${file%.pub}.retired
        [ -s "$file" ] || printf '%s\n' "$now" >"$file"
        [ $((now - $(<"$file"))) -lt $RETIRED_FOR ] || rm -f "$file" "${file%.retired}.pub"
    done
}

# digest DIRECTORY: print a hash of all its files except the version.
digest() {
    (cd "$1" && find . -type f ! -name version -print0 | LC_ALL=C sort --zero-terminated |
        xargs -0 openssl dgst -sha256 -r) | openssl dgst -sha256 -r
}

# update_state AUTHORITY-GENERATIONS CERTIFICATES-GENERATION SERVICE-ACCOUNTS: update the shared state; if that
# changes anything, it gets a new version.
update_state() {
    local generation=0
    mkdir "$next"
    [ ! -e "$state/current" ] || cp -a "$state/current/." "$next"
    update_generations "$1"
    update_authorities
    update_accounts "$3"
    [ ! -s "$next/certificates" ] || generation=$(<"$next/certificates")
    # Never go back: a stack update that omits the parameter passes an old generation.
    [ "$generation" -ge "${2%.*}" ] || generation=${2%.*}
    printf '%s\n' "$generation" >"$next/certificates"
    [ -s "$next/encryption.key" ] || openssl rand -base64 32 >"$next/encryption.key"
    if [ ! -e "$state/current" ] || [ "$(digest "$next")" != "$(digest "$state/current/")" ]; then
        echo "$(($(version_of "$next") + 1)) $(openssl rand -hex 8)" >"$next/version"
        adopt "$next"
    fi
}

# joining DIRECTORY: print the indices, each between commas, of the control-plane nodes that join an existing
# cluster: those without authorities, if more than half of all nodes have authorities.
joining() {
    local file with=0 without=,
    for file in "$1"/*; do
        [ -e "$file" ] || continue
        if [ "$(<"$file")" = none ]; then without+=${file##*/}, && continue; fi
        with=$((with + 1))
    done
    [ $with -gt $(($(find "$1" -type f | wc -l) / 2)) ] || without=,
    printf '%s' "$without"
}
