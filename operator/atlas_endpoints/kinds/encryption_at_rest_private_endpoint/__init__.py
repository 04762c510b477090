"""The kind ``EncryptionAtRestPrivateEndpoint``."""
