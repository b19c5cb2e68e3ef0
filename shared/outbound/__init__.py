"""How a receiver is reached: only at a checked address, in time, with its signatures."""
