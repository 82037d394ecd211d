"""The gallery, and what is done to many clips at once."""
