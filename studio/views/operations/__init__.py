"""What machines ask for, and what errors answer."""
