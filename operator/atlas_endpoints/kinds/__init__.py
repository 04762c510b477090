"""The kinds of resources that the operator serves: one folder each, and none imports another."""
