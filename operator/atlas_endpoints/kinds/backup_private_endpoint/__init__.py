"""The kind ``BackupPrivateEndpoint``."""
