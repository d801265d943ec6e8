"""What runs in a gateway: standard library, Debian's packages, and nothing of cloudsentry's other rooms.

The driver writes these files into the server's user data (see ``../boot.py``), so they import each other by bare name.
"""
