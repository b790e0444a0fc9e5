#!/usr/bin/env bash
# All that needs a graphics card, in under 8 minutes, results written as they come: the tests marked gpu, equal bits, a run
# that is killed and goes on, speed against a bare loop, loader against card, two jobs on one card.
#
#   bash benchmarks/gpu.sh [folder for the results, outputs/gpu]
#
# SEGBENCH_DATA with carvana/ in it makes the loader read photographs. SEGBENCH_GPU_SMOKE=1 tries every part at toy sizes
# on the processor, so that no mistake in it waits for a card.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
out="${1:-outputs/gpu}"
mkdir -p "$out"
export PYTHONUNBUFFERED=1 MPLBACKEND=Agg WANDB_MODE=offline NO_ALBUMENTATIONS_UPDATE=1
export PYTHONPATH="$PWD/src:$PWD${PYTHONPATH:+:$PYTHONPATH}" CUBLAS_WORKSPACE_CONFIG=":4096:8"
smoke=() gpu_tests=(-m gpu)
if [[ -n "${SEGBENCH_GPU_SMOKE:-}" ]]; then
    smoke=(--smoke) gpu_tests=(-m gpu --collect-only)
fi
began=$SECONDS failed=()

# A part's name, the seconds it may take, and its command; it is ended if it takes longer, and what it wrote stays.
part() {
    local name="$1" seconds="$2"
    shift 2
    echo "== $name (at most $seconds s)"
    if ! timeout --kill-after=5 "$seconds" "$@" 2>&1 | tee "$out/$name.log"; then
        failed+=("$name")
    fi
    echo "== $name: $((SECONDS - began)) s since the beginning"
}

measure() { part "$1" "$2" python3 -m benchmarks.gpu "$1" --out "$out" --seconds "$(($2 - ${3:-10}))" "${smoke[@]}"; }

measure facts 40 0
part tests 70 python3 -m pytest -p no:cacheprovider "${gpu_tests[@]}" tests/tasks/test_base.py \
    tests/callbacks/test_panels.py tests/callbacks/test_repeatability.py
measure bits 60
measure speed 130
measure resume 80 5
measure feeding 40
measure together 55 5
rm -rf "$out"/{alone,killed,one,first,second,cache,feeding,speed}
echo "== $((SECONDS - began)) s in all; results in $out; failed: ${failed[*]:-nothing}"
[[ ${#failed[@]} -eq 0 ]]
