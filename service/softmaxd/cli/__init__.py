"""The `softmaxd` command.

May import every other wing; nothing imports it.
"""
