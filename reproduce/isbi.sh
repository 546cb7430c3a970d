#!/usr/bin/env bash
# Reproduce the paper's EM experiment: environment, data, training, prediction, scores, report.
# bash reproduce/isbi.sh --help
set -euo pipefail
unset CDPATH # with it cd prints the folder
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
# shellcheck source=environment.sh
source "$here/environment.sh"
exec "$python" "$here/isbi.py" "$@"
