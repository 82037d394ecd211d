"""How Django writes dates where nobody says how: as the studio's own pages do."""
