"""A small archive with known truth; what reads real archives never looks in here.

`archive` is the door: `make_archive` makes what one of the `plans` says, `Archive.truth` tells what
a cube must hold of it, `server.serving` serves it. A mission is a module whose scenes offer what
`scenes.Scene` asks for (Sentinel-2 has several: `granules`, `assets`, `items`, `products`); all
look at one `ground` under one `sky` on a common `plane`. ``shapes/`` has the published records.
`ssl4eo` writes a small SSL4EO-S12 in both of its layouts.
"""
