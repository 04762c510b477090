"""The image: what builds it, what unpacks it, and the tests of what it holds and how it runs."""
