#!/usr/bin/env bash
# The six searchers on 97 real images of LIVE release 2, with held-out figures, baselines and a report.
# Run it in the project's folder; the images are looked for in $IQATUNE_TEST_DATA, else in ../shared/data as the grid says.
# About half an hour on two cores. Interrupted and run again, it goes on where it stopped.
set -euo pipefail
data=${IQATUNE_TEST_DATA:-../shared/data}
output=${1:-results/live_r2_subset}
mkdir -p "$(dirname "$output")"

sed "s|\.\./shared/data|$data|" configs/live_r2_subset.yaml > "$output.yaml"
trap 'rm -f "$output.yaml"' EXIT
iqatune sweep "$output.yaml" --output "$output"
iqatune report "$output" --score --baseline psnr --baseline ms-ssim --baseline fsim
