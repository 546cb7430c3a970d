#!/usr/bin/env bash
# Make the environment and run the tests; arguments go to pytest.
# ISBI_DATA=DIR tests on the real stacks too, ISBI_ORACLE=DIR on all cases of the challenge's reference scorer.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
# shellcheck source=environment.sh
source "$here/environment.sh"
for name in ISBI_DATA ISBI_ORACLE; do
    if [ -n "${!name:-}" ]; then export "$name=$(cd "${!name}" && pwd)"; fi
done
cd "$here/.."
exec "$python" -m pytest -m "not slow" "$@"
