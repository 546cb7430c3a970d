#!/usr/bin/env bash
# The evidence for our learning rates and gradient clipping: short runs scored on the first of six folds of the training
# stack, which no reported run is scored on. About an hour on two CPU cores. Writes results/isbi/choices/.
# bash reproduce/choices.sh --data DIR
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
data=("$@")
runs=()

# choose NAME PROFILE SETTING...: one short run
choose() {
    local name="$1" profile="$2" changes=()
    shift 2
    for change in "$@" averages=none headline=none; do changes+=(--set "$change"); done
    bash "$here/isbi.sh" --require-real --profile "$profile" --fold 1/6 --run "choices/$name" "${changes[@]}" "${data[@]}"
    runs+=("results/isbi/choices/$name")
}

# The full network, in what two CPU cores can do: small tiles, few steps. It shows which rates it bears, no more.
for rate in 0.002 0.004 0.008 0.016; do
    choose "full-width-$rate" paper "learning_rate=$rate" steps=400 tile_size=252
done
for rate in 0.001 0.002 0.004 0.008 0.016 0.032; do
    choose "learning-rate-$rate" quick "learning_rate=$rate" steps=1000
done
for rate in 0.0005 0.001; do
    choose "unclipped-$rate" quick "learning_rate=$rate" gradient_clip=1e9 steps=1000
done
cd "$here/.."
.venv/bin/python -m unet_paper report --force --compare results/isbi/choices/README.md "${runs[@]}" >/dev/null
cat results/isbi/choices/README.md
