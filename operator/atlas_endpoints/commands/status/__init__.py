"""The command ``status``: one resource, or a table of all; as JSON, or as a support bundle."""
