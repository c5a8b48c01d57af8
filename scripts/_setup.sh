# Sourced by the other scripts: prints commands before running them, and installs mtkit into .venv.

cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Prints a command, then runs it.
run() {
    printf '\n$ %s\n' "$*"
    "$@"
}

# Prints the first Python from 3.11 to 3.13; commands that exist but do not start (pyenv's shims) are skipped.
find_python() {
    local name
    for name in "${PYTHON:-python3}" python3.13 python3.12 python3.11 python; do
        if "$name" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2> /dev/null; then
            echo "$name"
            return
        fi
    done
    echo "mtkit requires Python 3.11, 3.12 or 3.13, and none is on the PATH. Set PYTHON to its path." >&2
    return 1
}

# Creates .venv if it is missing, and installs mtkit into it if the list of packages has changed.
#   set_up WHAT     WHAT is the argument of pip install -e: "." or ".[dev]"
set_up() {
    local what=$1 python state stamp=.venv/installed
    if ! .venv/bin/python -c '' 2> /dev/null; then
        python=$(find_python)
        # Debian may lack ensurepip; then the pip outside of .venv installs one inside.
        run "$python" -m venv --clear .venv || {
            run "$python" -m venv --clear --without-pip .venv
            run "$python" -m pip --python .venv/bin/python install pip
        }
    fi
    export VIRTUAL_ENV=$PWD/.venv PATH=$PWD/.venv/bin:$PATH
    hash -r
    state=$({ pwd && cat pyproject.toml constraints.txt; } | cksum)
    if ! grep -qsxF -e "$state $what" -e "$state .[dev]" "$stamp"; then
        run python -m pip install --disable-pip-version-check -c constraints.txt -e "$what"
        python -m compileall -q mtkit  # an editable installation does not compile it
        echo "$state $what" > "$stamp"
    fi
}
