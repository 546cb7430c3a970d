#!/usr/bin/env bash
# Make the environment, check the code's form and types, and run the tests on all cores; arguments go to pytest.
# ISBI_DATA=DIR tests on the real stacks too, CTC_DATA=DIR on the annotated cells, ISBI_ORACLE=DIR on all cases of the
# challenge's reference scorer.
set -euo pipefail
unset CDPATH # with it cd prints the folder
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
# shellcheck source=environment.sh
source "$here/environment.sh"
for name in ISBI_DATA ISBI_ORACLE CTC_DATA; do
    if [ -n "${!name:-}" ]; then
        folder="$(cd "${!name}" && pwd)" # of its own, so that a folder that is not there ends the script
        export "$name=$folder"
    fi
done
cd "$here/.."
"$python" -m ruff check .
"$python" -m ruff format --check .
"$python" -m mypy
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}" # one core for each of pytest's workers
exec "$python" -m pytest -n auto --dist loadfile "$@"
