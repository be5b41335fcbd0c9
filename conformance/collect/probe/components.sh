# shellcheck shell=sh
# SPDX-License-Identifier: Apache-2.0
#
# Processes of cluster components on this node; sourced by collect.sh. One line for each process:
#   NAME PID STARTED RSS FDS THREADS
# STARTED in ticks since boot, RSS in KiB, FDS the number of open files. The loop over all processes uses
# only shell builtins, because a node has hundreds of them. RSS excludes mapped files: they are in the page
# cache, and etcd's grow with its database.

print_components() {
    for folder in /proc/[0-9]*; do
        component=''
        { read -r component <"$folder/comm"; } 2>/dev/null || continue
        is_component "$component" || continue
        print_component "$folder"
    done
}

# is_component COMM: whether it is in $components. The kernel truncates names to fifteen characters.
is_component() {
    # shellcheck disable=SC2154 # the components are words, set by collect.sh
    for wanted in $components; do
        case $wanted in "$1") return 0 ;; "$1"*) [ "${#1}" != 15 ] || return 0 ;; esac
    done
    return 1
}

# print_component FOLDER: nothing if the process has exited.
print_component() {
    words=$(tr '\0' '\n' 2>/dev/null <"$1/cmdline" | head -n 1) && [ -n "$words" ] || return 0
    { read -r stat <"$1/stat"; } 2>/dev/null || return 0
    resident=$(awk '/^(VmRSS|RssAnon):/ { kib = $2 } END { print kib }' "$1/status" 2>/dev/null) || return 0
    folder=$1
    # The fields after the name, which may contain spaces: 18 is the number of threads, 20 the start time.
    # shellcheck disable=SC2086 # fields are words
    set -- ${stat##*) }
    threads=${18} began=${20}
    set -- "$folder"/fd/*
    printf '%s %s %s %s %s %s\n' "${words##*/}" "${folder#/proc/}" "$began" "${resident:-0}" "$#" "$threads"
}
