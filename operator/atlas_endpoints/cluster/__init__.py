"""The Kubernetes API: watching resources, reading Secrets, writing status; knows no Atlas."""
