"""A kind as small as a kind can be, which the real operator serves without an edit: what a new kind consists of."""
