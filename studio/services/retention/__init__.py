"""What the studio lets go of by itself: when, in which order, and what never."""
