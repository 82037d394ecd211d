"""Ways to look at clips: one after another, side by side, at speed."""
