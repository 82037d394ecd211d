"""How the studio starts and stops: one process tree of a web server and the background work."""
