"""Orchestration of the comparison; `benches/run` and `benches/instructions` are its commands.

Python's standard library only, 3.11 or newer.
"""
