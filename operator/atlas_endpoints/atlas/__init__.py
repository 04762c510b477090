"""The Atlas Admin API: requests, authentication, errors, throttling and shared observations; knows no Kubernetes."""
