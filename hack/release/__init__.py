"""What a release is made with, beside what its workflow says itself; it needs nothing but Python."""
