# shellcheck shell=bash
# What .ci/run and .ci/nightly share: stages that are timed and remembered, copies of the checkout, the README's commands.
#
# A script sources this after `set -euo pipefail`. It works on copies of the checkout in a temporary folder and writes
# nothing here. Every stage runs, also after one that failed; `finish` gives status 0 only if all of them passed.

# A script started in the background may have SIGINT ignored; its children inherit that, and tests of Ctrl-C would fail.
if [ -z "${CI_SIGINT_RESTORED:-}" ]; then
    CI_SIGINT_RESTORED=1 exec python3 -c 'import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execvp("bash", ["bash", *sys.argv[1:]])' "$0" "$@"
fi

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
work=$(mktemp -d)
lanes=()
trap 'for lane in "${lanes[@]}"; do kill -- "-$lane" 2>/dev/null; done; rm -rf "$work"' EXIT
export CI=true ALPT_REF_CACHE_DIR=$work/cache MPLCONFIGDIR=$work/matplotlib PIP_DISABLE_PIP_VERSION_CHECK=1
unset ALPT_REF_REALDATA HYPOTHESIS_PROFILE PYTHONPATH VIRTUAL_ENV

timings=()
failed=()

stage() { # stage NAME COMMAND...: run, time, remember a failure; a command that ends with status 77 says it was skipped
    local name=$1 begin=$SECONDS status verdict
    shift
    printf '\n=== %s\n' "$name"
    set +e
    (set -e; "$@")
    status=$?
    set -e
    case $status in
    0) verdict=passed ;;
    77) verdict=skipped ;;
    *) verdict="FAILED ($status)" failed+=("$name") ;;
    esac
    timings+=("$(printf '%5d s  %-12s %s' $((SECONDS - begin)) "$verdict" "$name")")
    printf '=== %s\n' "${timings[-1]}"
}

lane() { # lane NAME COMMAND [NAME COMMAND ...]: stages one after the other, beside those of other lanes; see `join`
    local place="$work/lane${#lanes[@]}"
    set -m # a process group of its own, in which Ctrl-C is not ignored
    {
        timings=() failed=()
        while [ $# -gt 0 ]; do
            stage "$1" "$2" >"$place" 2>&1
            cat "$place" # what a stage says stands together
            shift 2
        done
        printf '%s\n' "${timings[@]}" >"$place.timings"
        printf '%s\n' "${failed[@]}" >"$place.failed"
    } &
    lanes+=("$!")
    set +m
}

join() { # wait for all lanes
    local number line
    for number in "${!lanes[@]}"; do
        wait "${lanes[number]}" || failed+=("lane $((number + 1)) did not end")
        while IFS= read -r line; do timings+=("$line"); done <"$work/lane$number.timings"
        while IFS= read -r line; do if [ -n "$line" ]; then failed+=("$line"); fi; done <"$work/lane$number.failed"
    done
    lanes=()
}

finish() { # the times of all stages; status 1 if one failed
    printf '\n=== timings (total %d s)\n' "$SECONDS"
    printf '%s\n' "${timings[@]}"
    if [ "${#failed[@]}" -gt 0 ]; then
        printf '=== FAILED: %s\n' "${failed[@]}"
        exit 1
    fi
    printf '=== all passed\n'
}

skip() { # skip WHY: end the stage without a verdict
    printf 'skipped: %s\n' "$1"
    exit 77
}

copy() { # copy FOLDER: a fresh clone of the checkout as it stands, so that git can tell what the commands leave behind
    mkdir "$1"
    git -c safe.directory="$root" -C "$root" ls-files -coz --exclude-standard >"$work/files"
    while IFS= read -r -d '' file; do
        if [ -e "$root/$file" ]; then printf '%s\0' "$file"; fi
    done <"$work/files" | tar -C "$root" --null -T - -cf - | tar -C "$1" -xf -
    git -C "$1" init -q
    git -C "$1" add -A
}

unchanged() { # the commands left nothing in a clone that git would see
    local seen
    seen=$(git -C "$1" ls-files -mo --exclude-standard)
    [ -z "$seen" ] || { printf 'git sees changes:\n%s\n' "$seen"; return 1; }
}

marked_command() { # marked_command FILE NAME: the one line of FILE between <!-- command:NAME --> and <!-- /command -->
    sed -n "/<!-- command:$2 -->/,/<!-- \/command -->/p" "$root/$1" | sed '/^<!--/d; /^```/d'
}

readme_command() { # readme_command NAME
    marked_command README.md "$1"
}

said() { # said COMMAND...: print it, then run it
    printf '+ %s\n' "$*"
    "$@"
}

# shellcheck disable=SC2034
# Settings that make a study's training short.
tiny=(--set=data.rows=3000 --set=data.fields=4 --set=data.features=80 --set='model.hidden=[8]' --set=model.dim=4
    --set=train.batch_size=300 --set=train.epochs=2 --set='train.milestones=[1]' --seeds=2)
