"""Lua: the interpreter, what scripts find in it, scripts and functions."""
