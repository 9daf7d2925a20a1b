"""Distillation as one page: a folder that any web server can hand out, where models run in the visitor's browser."""
