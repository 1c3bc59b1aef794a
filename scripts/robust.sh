#!/usr/bin/env bash
# How robust metrics are, on the 97 real images of LIVE release 2 and on 40 of TID2013 (4 references, levels 2 and 4):
# SqueezeNet and MobileNetV2 (ImageNet parameters) beside PSNR, SSIM and FSIM; then AlexNet and ResNet50 with random
# parameters, tuned on LIVE, on 56 of its images and the part of TID2013, made small alone. Run it in the project's
# folder, as scripts/robust.sh results/robust. The images come from $IQATUNE_TEST_DATA, else from ../shared/data. About eight minutes of one core.
set -euo pipefail
data=${IQATUNE_TEST_DATA:-../shared/data}
output=${1:-results/robust}
mkdir -p runs
for name in live_r2 squeezenet1_1_imagenet_fp16.pth mobilenetv2_100_imagenet_fp16.pth; do
    test -e "runs/$name" || ln -s "$(realpath "$data/$name" 2> /dev/null || realpath "$data/weights/$name")" "runs/$name"
done
test -e runs/tid2013/mos_with_names.txt || python "$data/tid2013/rebuild.py" runs/tid2013

# a part of TID2013, with the scores' deviations
part=runs/tid2013_part
mkdir -p "$part"
test -e "$part/reference_images" || ln -s "$(realpath runs/tid2013/reference_images)" "$part/reference_images"
test -e "$part/distorted_images" || ln -s "$(realpath runs/tid2013/distorted_images)" "$part/distorted_images"
python - "$data/tid2013/pairs.csv" "$part/mos.csv" <<'PYTHON'
import sys
import pandas

pairs = pandas.read_csv(sys.argv[1])
pairs = pairs[pairs["reference"].isin(["I04.png", "I10.png", "I16.png", "I23.png"]) & pairs["level"].isin([2, 4])]
pairs = pairs.rename(columns={"distorted": "image"})
pairs[["image", "mos", "mos_std"]].to_csv(sys.argv[2], index=False)
PYTHON

live=(--dataset csv --pairs runs/live_r2/labels.csv --better lower)
cnn() { iqatune search --backbone "$1" --backbone-weights "$2" --searcher fit --output "$output/records" --name fit-stage-s0 "${@:3}"; }
cnn squeezenet runs/squeezenet1_1_imagenet_fp16.pth --dataset tid2013 --data-root runs/tid2013
cnn timm:mobilenetv2_100 runs/mobilenetv2_100_imagenet_fp16.pth --dataset tid2013 --data-root runs/tid2013
iqatune robust "$output"/records/tid2013/*/fit-stage-s0/result.json "${live[@]}" \
    --dataset tid2013 --data-root "tid2013=$part" \
    --baseline psnr --baseline ssim --baseline fsim --output "$output/imagenet" --force | tee "$output/imagenet.txt"

cnn alexnet random "${live[@]}"
cnn resnet50 random "${live[@]}"
iqatune robust "$output"/records/csv/*/fit-stage-s0/result.json "${live[@]}" --exclude csv=fastfading --exclude csv=wn \
    --dataset tid2013 --data-root "tid2013=$part" --kinds side --output "$output/random" --force | tee "$output/random.txt"
