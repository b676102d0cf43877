"""What a store holds in the words of STAC, and the states that it is read from."""
