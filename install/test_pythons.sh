#!/bin/sh
# Install LiveTrap into throw-away environments and run the unit tests there, one line an interpreter:
#   install/test_pythons.sh                   each supported version that is found
#   install/test_pythons.sh PYTHON...         those that are named
#   install/test_pythons.sh --besides PYTHON  the newest that is found and is no PYTHON
set -u
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root" || exit 1
. "$root/install/pythons.sh"
scratch=$(mktemp -d "${TMPDIR:-/tmp}/livetrap-pythons-XXXXXX") || exit 1
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' INT TERM

find_another() {  # PYTHON
    known=$(describe_python "$1")
    find_pythons | while read -r candidate; do
        if [ "$(describe_python "$candidate")" != "$known" ]; then
            echo "$candidate"
            break
        fi
    done
}

test_python() {  # PYTHON: print its line; fail if it cannot be installed or a test fails
    name="$(describe_python "$1") ($1)"
    venv="$scratch/venv"
    rm -rf "$venv"
    if ! install/make_venv.sh "$venv" "$1" test; then
        echo "$name: NOT INSTALLED"
        return 1
    fi
    if "$venv/bin/python" -m pytest -q -n "${WORKERS:-2}" -p no:cacheprovider tests/unit >"$scratch/log" 2>&1; then
        echo "$name: $(tail -n 1 "$scratch/log")"
    else
        cat "$scratch/log" >&2
        echo "$name: FAILED, $(tail -n 1 "$scratch/log")"
        return 1
    fi
}

if [ "${1:-}" = --besides ]; then
    pythons=$(find_another "$2")
    if [ -z "$pythons" ]; then
        echo "no supported Python besides $(describe_python "$2") is on this machine, so none is tested"
        exit 0
    fi
else
    pythons=${*:-$(find_pythons)}
fi
if [ -z "$pythons" ]; then
    echo "no CPython $supported on PATH or in pyenv, so none is tested" >&2
    exit 2
fi
failed=0
for python in $pythons; do
    test_python "$python" || failed=1
done
exit "$failed"
