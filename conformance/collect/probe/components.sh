# shellcheck shell=sh
# SPDX-License-Identifier: Apache-2.0
#
# What the cluster's own programs cost on this node; sourced by collect.sh. One line a process:
#   NAME PID STARTED RSS FDS THREADS
# STARTED in ticks since boot, RSS in KiB, FDS the number of open files. No program is started here,
# not even for each process: a node has hundreds. Memory is the program's own: pages of files that it maps
# are the page cache's, and etcd's grow with its database.

tell_components() {
    for folder in /proc/[0-9]*; do
        component=''
        { read -r component <"$folder/comm"; } 2>/dev/null || continue
        is_component "$component" || continue
        tell_component "$folder"
    done
}

# is_component COMM: is it one of those asked for? The kernel keeps fifteen characters of a name.
is_component() {
    # shellcheck disable=SC2154 # the components are words, set by collect.sh
    for wanted in $components; do
        case $wanted in "$1") return 0 ;; "$1"*) [ "${#1}" != 15 ] || return 0 ;; esac
    done
    return 1
}

# tell_component FOLDER: a process that ends meanwhile is left out.
tell_component() {
    words=$(tr '\0' '\n' 2>/dev/null <"$1/cmdline" | head -n 1) && [ -n "$words" ] || return 0
    { read -r stat <"$1/stat"; } 2>/dev/null || return 0
    resident=$(awk '/^(VmRSS|RssAnon):/ { kib = $2 } END { print kib }' "$1/status" 2>/dev/null) || return 0
    folder=$1
    # Behind the name, which may hold blanks: field 18 of these is the threads', 20 the start.
    # shellcheck disable=SC2086 # fields are words
    set -- ${stat##*) }
    threads=${18} began=${20}
    set -- "$folder"/fd/*
    printf '%s %s %s %s %s %s\n' "${words##*/}" "${folder#/proc/}" "$began" "${resident:-0}" "$#" "$threads"
}
