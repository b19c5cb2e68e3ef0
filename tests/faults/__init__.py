"""Faults that lose nothing: each test breaks something while events flow, and ends with the ledger.

Two minutes in all; `python3 dev.py test tests/faults --full` goes on for a quarter of an hour.
"""
