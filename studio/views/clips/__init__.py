"""One clip: its page, its ways out, its files."""
