"""The controller framework: cache, queue, workers and backoff, for any kind and without Atlas."""
