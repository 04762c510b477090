"""The level-triggered loop: a queue of keys, workers, backoff; knows neither Atlas nor the kinds."""
