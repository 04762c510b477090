"""``atlas-endpoints conform``: try in a real project what is not known of Atlas. It makes endpoints, and removes them."""
