# Sourced by the scripts beside it: makes .venv when it is missing or out of date, and sets $python.
# UNET_PAPER_PYTHON names the Python to make it with (default: the first python3 found that is 3.11 or later).

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
python="$root/.venv/bin/python"
stamp="$root/.venv/requirements.installed"

if ! { [ -x "$python" ] && cmp -s "$root/requirements.txt" "$stamp"; }; then
    base=""
    for candidate in "${UNET_PAPER_PYTHON:-}" python3 python3.14 python3.13 python3.12 python3.11 python; do
        if [ -n "$candidate" ] && "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            base="$candidate"
            break
        fi
    done
    if [ -z "$base" ]; then
        echo "Python 3.11 or later is needed and was not found; install it or name it in UNET_PAPER_PYTHON." >&2
        exit 2
    fi
    echo "Making the environment in .venv (once; this downloads PyTorch) ..." >&2
    "$base" -m venv "$root/.venv" || {
        echo "$base cannot make a virtual environment; install its venv module (Debian: apt install python3-venv)." >&2
        exit 2
    }
    "$python" -m pip install --quiet --disable-pip-version-check -r "$root/requirements.txt" || {
        echo "Installing requirements.txt failed; see the lines above." >&2
        exit 2
    }
    cp "$root/requirements.txt" "$stamp"
fi
export PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}"
