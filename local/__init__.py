"""Runs Tenant Hooks on one machine. Never deployed."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
STATE = ROOT / ".local"
"""What the commands keep from one run to the next: keys, logs, storage."""
