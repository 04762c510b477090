"""The Kubernetes API: watch resources, read Secrets, write status. Nothing here depends on Atlas."""
