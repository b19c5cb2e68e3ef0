"""What tests put in place of the world: one of each."""
