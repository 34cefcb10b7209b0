"""Pure arithmetic and decisions: no loop, no clock, no log, no vendor."""
