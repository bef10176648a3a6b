"""Relámpago: a commerce backend with flash promotions."""

VERSION = "1.0.0"
