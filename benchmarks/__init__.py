"""What things cost on this machine; `python -m benchmarks` lists what can be measured."""
