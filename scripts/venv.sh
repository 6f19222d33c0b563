# Sourced by the other scripts: makes and reuses the virtual environment .venv of this repository.
# Everything it says goes to standard error, so that a report can have standard output to itself.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
venv=$root/.venv

fail() {
    echo "${0##*/}: $*" >&2
    exit 2
}

# The interpreter to build the environment with: $PYTHON, else the first that is new enough.
find_python() {
    local candidate
    for candidate in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11 python}; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    candidate=${PYTHON:-python3}
    fail "needs Python 3.11 or later, and $candidate is" \
        "$("$candidate" --version 2>/dev/null || echo "not there")." \
        "Install one, or name it: PYTHON=/path/to/python3.13 $0"
}

make_venv() {
    local python
    python=$(find_python) || exit
    [[ -w $root ]] || fail "$root cannot be written: copy it to where it can, or pip install it."
    if "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        "$python" -m venv --clear "$venv" >&2 || fail "$python could not make .venv (see above)."
    elif "$python" -c 'import virtualenv' 2>/dev/null; then
        "$python" -m virtualenv --quiet --clear "$venv" >&2 || fail "$python could not make .venv (see above)."
    else
        fail "$python cannot make virtual environments: its modules venv and ensurepip are missing." \
            "On Debian and Ubuntu: apt-get install python3-venv"
    fi
}

# What the environment was made for: installed again only when this changes.
wanted_state() {
    "$venv/bin/python" - "$1" "$root/setup.cfg" "$root/pyproject.toml" <<'PY'
import hashlib, pathlib, sys
told = [sys.version, sys.prefix, sys.argv[1], *(pathlib.Path(path).read_text() for path in sys.argv[2:])]
print(hashlib.sha256("\0".join(told).encode()).hexdigest())
PY
}

# need_venv EXTRAS: afterwards "$venv/bin/python" can import the package, with those extras.
need_venv() {
    local extras=$1 stamp state
    stamp=$venv/installed${extras:+-$extras}
    if ! "$venv/bin/python" -c 'import pip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        make_venv
    fi
    state=$(wanted_state "$extras")
    if [[ -f $stamp && $(<"$stamp") == "$state" ]]; then
        return
    fi
    echo "Installing pyimginspect${extras:+[$extras]} into .venv …" >&2
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-warn-script-location \
        --editable "$root${extras:+[$extras]}" </dev/null >&2 ||
        fail "pip could not install the package (see above); it needs a package index (PIP_INDEX_URL)."
    echo "$state" >"$stamp"
}
