"""The kind ``StreamPrivateEndpoint``."""
