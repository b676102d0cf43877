"""Cubes to look at: a slot as a picture, a pixel through time, chips and what is like them."""
