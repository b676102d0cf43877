"""Items found again: what is asked, in each language of STAC, and arrays that answer."""
