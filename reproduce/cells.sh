#!/usr/bin/env bash
# Reproduce the paper's experiment on cells (table 2): environment, data, training, prediction, SEG, report.
# bash reproduce/cells.sh --help
set -euo pipefail
unset CDPATH # with it cd prints the folder
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
# shellcheck source=environment.sh
source "$here/environment.sh"
exec "$python" "$here/cells.py" "$@"
