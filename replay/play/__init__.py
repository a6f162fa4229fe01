"""Serves recordings in the place of their upstreams: start at server.py."""
