# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# How the first control-plane server agrees the shared state with what the plan and the stack's
# parameters ask for. Sourced by trust/sign, after shared.sh.
# shellcheck disable=SC2154

CA_DAYS=3650
RETIRED_FOR=$((25 * 3600)) # seconds for which tokens of a lost apiserver are still believed

next=$work/next # the state as it shall be
printf -v now '%(%s)T' -1
generations=()
mapfile -t authorities < <(cut -d '|' -f 3 <<<"$CERTIFICATES" | LC_ALL=C sort -u)

# newest_share FOLDER: adopt what another server shares if it is newer than what lies here.
newest_share() {
    local file number best newest='' closed=0
    best=$(version_of "$state/current")
    for file in "$1"/*; do
        if [ ! -e "$file" ] || [ "$(<"$file")" = none ]; then continue; fi
        if ! unseal "$file" "$work/share.${file##*/}"; then
            closed=$((closed + 1))
            continue
        fi
        number=$(version_of "$work/share.${file##*/}")
        [ "$number" -le "$best" ] || { best=$number && newest=$work/share.${file##*/}; }
    done
    if [ -n "$newest" ]; then
        adopt "$newest"
        echo "Took the authorities over from the other control-plane servers."
    elif [ "$best" = 0 ] && [ $closed != 0 ]; then
        # New authorities would cut the whole cluster off.
        fail "the other servers' authorities are not sealed for this server: mark the resources" \
            "trust_share_control_1 and so on unhealthy (openstack stack resource mark unhealthy)," \
            "then update the stack"
    fi
}

# rank LIST: how far a change of authorities has come: 1 is before 1,2, that before 2,1, that before 2.
rank() {
    local signing=${1%,*} other=${1#*,}
    if [[ ! $1 =~ ^[1-9][0-9]{0,4}(,[1-9][0-9]{0,4})?$ ]] ||
        [[ $1 = *,* && $((signing - other)) != 1 && $((other - signing)) != 1 ]]; then
        fail "authority_generations is '$1'; it must be like 1, 1,2 or 2,1"
    fi
    if [[ $1 != *,* ]]; then
        echo $((3 * signing))
    elif [ "$signing" -gt "$other" ]; then
        echo $((3 * signing - 1))
    else
        echo $((3 * other - 2))
    fi
}

# agree_generations LIST: which authorities live. A change goes step by step and never back, whatever a
# stack update without its parameters asks for.
agree_generations() {
    local live='' asked have
    [ ! -s "$next/authorities" ] || live=$(<"$next/authorities")
    asked=$(rank "$1") || exit 1
    if [ -z "$live" ]; then
        live=$1
    else
        have=$(rank "$live")
        if [ "$asked" -gt $((have + 1)) ]; then
            fail "authority_generations cannot go from $live to $1 at once: nodes must trust" \
                "a new authority before it signs (1, then 1,2, then 2,1, then 2). Run" \
                "'heatgen rotate authorities', which goes step by step"
        fi
        if [ "$asked" -gt "$have" ]; then
            live=$1
        elif [ "$asked" -lt "$have" ]; then
            echo "The authorities stay at generation $live: there is no way back to $1."
        fi
    fi
    printf '%s\n' "$live" >"$next/authorities"
    IFS=, read -ra generations <<<"$live"
}

# make_authority NAME GENERATION: an authority's key and certificate, once.
make_authority() {
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

# agree_authorities: make what is missing of the live generations, drop what no longer lives.
agree_authorities() {
    local authority generation file
    for authority in "${authorities[@]}"; do
        for generation in "${generations[@]}"; do make_authority "$authority" "$generation"; done
    done
    for file in "$next"/*/*.crt "$next"/*/*.key; do
        generation=${file##*/}
        [[ ,$(<"$next/authorities"), == *,${generation%.*},* ]] || rm -f "$file"
    done
}

# agree_accounts FOLDER: the public keys of all apiservers; those of lost ones as long as their tokens live.
agree_accounts() {
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

# digest FOLDER: of all its files but the version.
digest() {
    (cd "$1" && find . -type f ! -name version -print0 | LC_ALL=C sort --zero-terminated |
        xargs -0 openssl dgst -sha256 -r) | openssl dgst -sha256 -r
}

# agree AUTHORITY-GENERATIONS CERTIFICATES-GENERATION SERVICE-ACCOUNTS: bring the shared state to what is
# asked for; a new version of it if that changes anything.
agree() {
    local generation=0
    mkdir "$next"
    [ ! -e "$state/current" ] || cp -a "$state/current/." "$next"
    agree_generations "$1"
    agree_authorities
    agree_accounts "$3"
    [ ! -s "$next/certificates" ] || generation=$(<"$next/certificates")
    # A stack update without its parameters asks for an old generation: it never goes back.
    [ "$generation" -ge "${2%.*}" ] || generation=${2%.*}
    printf '%s\n' "$generation" >"$next/certificates"
    [ -s "$next/encryption.key" ] || openssl rand -base64 32 >"$next/encryption.key"
    if [ ! -e "$state/current" ] || [ "$(digest "$next")" != "$(digest "$state/current/")" ]; then
        echo "$(($(version_of "$next") + 1)) $(openssl rand -hex 8)" >"$next/version"
        adopt "$next"
    fi
}

# joining FOLDER: which control-plane servers came later than the cluster: those without authorities when
# so many have them that the cluster may have had a majority. By index, each between commas.
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
