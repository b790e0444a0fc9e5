"""What needs a graphics card, measured in a few minutes: ``bash benchmarks/gpu.sh``."""
