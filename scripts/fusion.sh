#!/usr/bin/env bash
# Fusions on TID2013 and LIVE: two tuned backbones, twelve published metrics, and both together. Run it in the project's
# folder; the images of TID2013 are made in runs/tid2013, from the references in $IQATUNE_TEST_DATA, else in
# ../shared/data. Some minutes on two cores.
set -euo pipefail
data=${IQATUNE_TEST_DATA:-../shared/data}
output=${1:-results/fusion}
tid=(--dataset tid2013 --data-root runs/tid2013)
mkdir -p runs "$output"
exec > >(tee "$output/table.txt")

test -e runs/tid2013/mos_with_names.txt || python "$data/tid2013/rebuild.py" runs/tid2013 >&2
for cnn in squeezenet=squeezenet1_1 timm:mobilenetv2_100=mobilenetv2_100; do
    python -m iqatune search "${tid[@]}" --backbone "${cnn%=*}" \
        --backbone-weights "$data/weights/${cnn#*=}_imagenet_fp16.pth" --searcher fit --output "$output" --name fit-stage-s0 --quiet > /dev/null
done
members=("$output/tid2013/squeezenet/fit-stage-s0/result.json" "$output/tid2013/timm_mobilenetv2_100/fit-stage-s0/result.json")

run() {
    printf '\n$ iqatune fuse %s\n' "${*//$data/DATA}"
    python -m iqatune fuse "$@" --output "$output" --quiet
}
for seed in 0 1 2; do
    run "${members[@]}" "${tid[@]}" --seed "$seed"
    run --features "$data/scores/tid2013.csv" --better higher --seed "$seed"
    run --features "$data/scores/live.csv" --better lower --seed "$seed"
    run "${members[@]}" "${tid[@]}" --features "$data/scores/tid2013.csv" --seed "$seed"
done
run "${members[@]}" fsim "${tid[@]}" --features "$data/scores/tid2013.csv"
run --features "$data/scores/tid2013.csv" --better higher --searcher random
run --features "$data/scores/tid2013.csv" --better higher --leave-one-distortion-out
