"""Compares gateways: starts each with the same task, loads it, and measures what its processes cost. Run by tools/compare."""
