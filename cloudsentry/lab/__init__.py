"""The embedded lab: two real OpenStack clouds on loopback, in one folder, for trying events out before they matter."""
