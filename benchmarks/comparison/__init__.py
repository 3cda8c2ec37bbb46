"""The parts of `benchmarks/compare.py`: servers, load, accounting, the measuring modes, report and chart."""
