"""Links for guests, and what guests see."""
