#!/bin/sh
# Make a virtual environment with LiveTrap in it: install/make_venv.sh VENV PYTHON [EXTRA,...]
# VENV is a path from the repository's root.
#
# A failure is one line that says what is wrong and how to mend it. The exit code is 2 for a wrong
# interpreter or folder and 1 for anything else. What pip printed stays in a file that the line names.
set -u
venv=$1
python=$2
extras=${3:+[$3]}

root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root" || exit 1
. "$root/install/pythons.sh"
log=$(mktemp "${TMPDIR:-/tmp}/livetrap-install-XXXXXX") || exit 1

main() {
    check_python
    make_venv
    mend_pip
    check_cache
    renew_pip
    install_livetrap
    rm -f "$log"
}

fail() {  # EXIT_CODE WORDS
    code=$1
    shift
    if [ -s "$log" ]; then
        echo "install: $* (details: $log)" >&2
    else
        rm -f "$log"
        echo "install: $*" >&2
    fi
    exit "$code"
}

run_pip() {
    "$venv/bin/python" -m pip --disable-pip-version-check --quiet "$@" >>"$log" 2>&1
}

check_python() {
    found=$(find_pythons | head -n 1)
    if [ -n "$found" ]; then
        advice="try: make install PYTHON=$found"
    else
        advice="install one of python3.$oldest_minor to python3.$newest_minor and name it: make install PYTHON=python3.$newest_minor"
    fi
    kind=$(describe_python "$python") || fail 2 "$python cannot be run; $advice"
    is_supported "$kind" || fail 2 "$python is $kind, LiveTrap needs CPython $supported; $advice"
}

make_venv() {
    if [ -x "$venv/bin/python" ]; then
        made_by=$(describe_python "$venv/bin/python")
        [ "$made_by" = "$kind" ] || fail 2 "$venv is of ${made_by:-a broken interpreter} and $python is $kind;" \
            "remove it (make clean) and start again"
        return
    fi
    if [ -e "$venv" ] && [ ! -e "$venv/pyvenv.cfg" ]; then
        fail 2 "$venv exists and is no virtual environment; remove or rename it"
    fi
    "$python" -c 'import ensurepip, venv' 2>/dev/null ||
        fail 1 "$python cannot make virtual environments, its module venv or ensurepip is missing;" \
            "on Debian and Ubuntu: apt install python${kind#CPython }-venv"
    "$python" -m venv --clear "$venv" >>"$log" 2>&1 && return
    rm -rf "$venv"
    fail 1 "$python cannot make $venv, perhaps its disk is full or read-only: $(last_words)"
}

mend_pip() {  # the one that came with this Python is new enough and needs no network
    "$venv/bin/python" -c '
import ensurepip, re, sys
import pip
numbers = [[int(part) for part in re.findall("[0-9]+", version)[:2]]
           for version in (pip.__version__, ensurepip.version())]
sys.exit(numbers[0] < numbers[1])
' 2>/dev/null && return
    echo "install: pip in $venv is missing or too old and is replaced by the one that came with $kind" >&2
    "$venv/bin/python" -m ensurepip --upgrade >>"$log" 2>&1 ||
        fail 1 "$venv has no usable pip: $(last_words); remove it (make clean) and start again"
}

check_cache() {  # pip itself warns, at each call and in three lines
    cache=$("$venv/bin/python" -m pip cache dir 2>/dev/null) || return 0
    while [ -n "$cache" ] && [ ! -e "$cache" ]; do
        cache=$(dirname "$cache")
    done
    if [ ! -d "$cache" ] || [ ! -w "$cache" ]; then
        echo "install: pip's cache in $cache cannot be written, so downloads are not kept;" \
            "name another with PIP_CACHE_DIR" >&2
        export PIP_NO_CACHE_DIR=1
    fi
}

renew_pip() {  # pip 26 takes 18 s of CPU to find what goes together, the 23 of Python 3.12 takes 69 s
    echo "install: LiveTrap and what it needs go into $venv ($kind); this takes some minutes" >&2
    run_pip install -c constraints.txt --upgrade pip && return
    if said "$proxy_refuses|$is_not_trusted|$is_unreachable"; then
        explain_pip
    fi
    : >"$log"  # a mirror without pip: the old one does
}

install_livetrap() {
    run_pip install -c constraints.txt -e ".$extras" || explain_pip
}

said() {  # PATTERN: whether the log has it
    grep -Eqi "$1" "$log"
}

last_words() {
    grep -E '[^[:space:]]' "$log" | grep -v '^\[notice\]' | tail -n 1
}

no_compiler="No such file or directory: '[^']*(cc|\+\+|clang)'|command '[^']*(cc|\+\+|clang)' failed: No such"
no_compiler="$no_compiler|unable to execute '|Unknown compiler|Python\.h: No such|find Rust compiler"
proxy_refuses='ProxyError|Cannot connect to proxy|Tunnel connection failed'
is_not_trusted='CERTIFICATE_VERIFY_FAILED|SSLError'
is_unreachable='NewConnectionError|NameResolutionError|ConnectTimeoutError|Read timed out|ConnectionError|ConnectionReset'

explain_pip() {
    if said 'No space left on device'; then
        fail 1 "the disk is full; 2 GB are needed for $venv and ${TMPDIR:-/tmp}"
    elif said "$no_compiler"; then
        fail 1 "$(name_failed_package) has no wheel for this machine and its build finds no compiler or headers;" \
            "on Debian and Ubuntu: apt install build-essential python${kind#CPython }-dev"
    elif said "$proxy_refuses"; then
        fail 1 "the proxy $(name_proxy) refuses or does not answer; correct https_proxy and start again"
    elif said "$is_not_trusted"; then
        fail 1 "the certificate of the package index is not trusted; name your site's with PIP_CERT"
    elif said "$is_unreachable"; then
        fail 1 "no network: the package index cannot be reached; behind a proxy set https_proxy," \
            "without a network set PIP_NO_INDEX=1 and PIP_FIND_LINKS to a folder of wheels"
    elif said 'No matching distribution found'; then
        fail 1 "no release of $(sed -n 's/.*No matching distribution found for \([^ ;]*\).*/\1/p' "$log" | head -n 1)" \
            "for $kind on $(uname -sm)"
    fi
    fail 1 "pip failed: $(grep -E '^ *(ERROR|error): ' "$log" | tail -n 1)"
}

name_proxy() {  # without user name and password
    printf '%s' "${https_proxy:-${HTTPS_PROXY:-${http_proxy:-${ALL_PROXY:-of pip\'s settings}}}}" | sed 's#//[^/@]*@#//#'
}

name_failed_package() {
    name=$(sed -nE 's/.*(Failed building wheel for|Could not build wheels for|Failed to build) ([A-Za-z0-9._-]+).*/\2/p' "$log" | head -n 1)
    echo "${name:-a package}"
}

main
