"""A whole studio under attack: what is killed, cut, filled and shifted while shots are asked for."""
