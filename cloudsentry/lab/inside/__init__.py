"""What runs within the lab's own OpenStack environment, never within cloudsentry's.

The folder is copied into the lab and put on PYTHONPATH there: its files import each other as top-level modules.
"""
