# Sourced by the scripts beside it: sets $python. That is the first of these that has the requirements: $UNET_PAPER_PYTHON, .venv, and
# the current `python` (of a virtual environment, conda or the system). Where none has, .venv is made anew.

unset CDPATH # with it cd prints the folder
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
python="$root/.venv/bin/python"
stamp="$root/.venv/requirements.installed"

# Whether a Python is 3.11 or later.
is_recent() { [ -n "$1" ] && "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

# Whether a Python has all packages of requirements.txt, in these versions.
has_requirements() {
    is_recent "$1" && "$1" - "$root/requirements.txt" 2>/dev/null <<'PYTHON'
import sys
from importlib.metadata import version

for line in open(sys.argv[1]):
    name, _, wanted = line.split("#")[0].strip().partition("==")
    if name and version(name).partition("+")[0] != wanted:
        sys.exit(1)
PYTHON
}

# Whether .venv has what requirements.txt names now.
is_made() { [ -x "$root/.venv/bin/python" ] && cmp -s "$root/requirements.txt" "$stamp"; }

# Make .venv with a Python, or bring it up to date. What is left of one whose own Python is gone is cleared.
make_environment() {
    local clear=""
    is_recent "$root/.venv/bin/python" || clear=--clear
    echo "Making the environment in .venv (once; this downloads PyTorch) ..." >&2
    "$1" -m venv ${clear:+"$clear"} "$root/.venv" || {
        echo "$1 cannot make a virtual environment; install its venv module (Debian: apt install python3-venv)." >&2
        return 2
    }
    "$root/.venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$root/requirements.txt" || {
        echo "Installing requirements.txt failed; see the lines above." >&2
        return 2
    }
    cp "$root/requirements.txt" "$stamp"
}

# The same, one script at a time where there is flock (not on macOS); the system lets go of the lock of one that dies.
make_environment_alone() {
    command -v flock >/dev/null || {
        make_environment "$1"
        return
    }
    (
        flock -n 9 || {
            echo "Waiting for another script that makes the environment in .venv ..." >&2
            flock 9
        }
        is_made || make_environment "$1"
    ) 9>"$root/.venv.lock"
}

current="$(command -v python || true)"
if has_requirements "${UNET_PAPER_PYTHON:-}"; then
    python="$UNET_PAPER_PYTHON"
elif is_made; then
    :
elif has_requirements "$current"; then
    python="$current"
else
    base=""
    for candidate in "${UNET_PAPER_PYTHON:-}" python3 python3.14 python3.13 python3.12 python3.11 python; do
        if is_recent "$candidate"; then
            base="$candidate"
            break
        fi
    done
    if [ -z "$base" ]; then
        echo "Python 3.11 or later is needed and was not found; install it or name it in UNET_PAPER_PYTHON." >&2
        exit 2
    fi
    make_environment_alone "$base" || exit 2
fi
case "$python" in
    /*) ;;
    */*) python="$PWD/$python" ;; # the scripts may go elsewhere
esac
export PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}"
