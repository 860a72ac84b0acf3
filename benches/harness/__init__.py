"""Orchestration of the comparison; `benches/run` and `benches/instructions` are its commands.

Python's standard library alone, from 3.11 on.
"""
