# Which interpreters LiveTrap supports and where they are; sourced by the scripts beside it.
# shellcheck shell=sh

# shellcheck disable=SC2154  # who sources this sets root, the folder of pyproject.toml
supported=$(sed -n 's/^requires-python = "\(.*\)"$/\1/p' "$root/pyproject.toml")
oldest_minor=$(expr "$supported" : '>=3\.\([0-9]*\),')
newest_minor=$(($(expr "$supported" : '.*,<3\.\([0-9]*\)$') - 1))

describe_python() {  # PYTHON: print what it is, such as "CPython 3.12"; fail if it cannot be run
    "$1" -c '
import platform, sys, sysconfig
kind = platform.python_implementation()
if sysconfig.get_config_var("Py_GIL_DISABLED"):
    kind = "free-threaded " + kind
print("%s %d.%d" % (kind, sys.version_info[0], sys.version_info[1]))
' 2>/dev/null
}

is_supported() {  # DESCRIPTION
    minor=$newest_minor
    while [ "$minor" -ge "$oldest_minor" ]; do
        [ "$1" != "CPython 3.$minor" ] || return 0
        minor=$((minor - 1))
    done
    return 1
}

find_pythons() {  # print one interpreter of each supported version, newest first: PATH, then pyenv
    minor=$newest_minor
    while [ "$minor" -ge "$oldest_minor" ]; do
        for candidate in "$(command -v "python3.$minor")" \
            "${PYENV_ROOT:-${HOME:-}/.pyenv}/versions/3.$minor".*/bin/python; do
            if [ -x "$candidate" ] && [ "$(describe_python "$candidate")" = "CPython 3.$minor" ]; then
                echo "$candidate"
                break
            fi
        done
        minor=$((minor - 1))
    done
}
