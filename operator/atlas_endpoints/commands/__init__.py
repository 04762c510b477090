"""The commands beside ``run``: each reads, prints, and changes nothing. They take the served kinds as arguments."""
