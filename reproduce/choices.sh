#!/usr/bin/env bash
# The evidence for our learning rate and gradient clipping: short runs scored on the first of six folds of the training
# stack, which no reported run is scored on. About 40 minutes on two CPU cores. Writes results/isbi/choices/.
# bash reproduce/choices.sh --data DIR
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
data=("$@")
runs=()

# choose NAME SETTING...: one short run
choose() {
    local name="$1" changes=()
    shift
    for change in "$@" steps=1000 averages=none headline=none; do changes+=(--set "$change"); done
    bash "$here/isbi.sh" --require-real --profile quick --fold 1/6 --run "choices/$name" "${changes[@]}" "${data[@]}"
    runs+=("results/isbi/choices/$name")
}

for rate in 0.001 0.002 0.004 0.008 0.016 0.032; do choose "learning-rate-$rate" "learning_rate=$rate"; done
for rate in 0.0005 0.001; do choose "unclipped-$rate" "learning_rate=$rate" gradient_clip=1e9; done
cd "$here/.."
.venv/bin/python -m unet_paper report --compare results/isbi/choices/README.md "${runs[@]}" >/dev/null
cat results/isbi/choices/README.md
