"""``atlas-endpoints plan``: what manifests would change in Atlas, by the operator's own reconciler, without a cluster."""
