"""Families of plugins. One word four times: folder, entry-point namespace, config group, test folder."""
