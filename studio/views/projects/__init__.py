"""Projects: the list, the people, archives."""
